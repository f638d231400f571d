import type { BorderPlan } from "./border-plan.ts";
import { bundlesHeld } from "./holdings.ts";
import type { LiveVolunteer } from "./live-volunteer.ts";
import type { StockPeerAnswer } from "./open-swarm.ts";
import type { VolatileAssignment } from "./volatile-assignment.ts";

/** What changes from one answer to the next. */
interface News {
  /** Seconds. */
  readonly interval: number;
  readonly peers: readonly PeerAnswer[];
  /** Newest release, 0 before the first. */
  readonly release: number;
  readonly holdingsId: number;
  readonly fullHoldingsWanted: boolean;
  /** Other volunteers of its site. */
  readonly neighbours: number;
  /** Only for a volatile volunteer, and once there is a release. */
  readonly assignment?: VolatileAssignment;
  /** Stock clients for what is being fetched; undefined unless they are let in (`serve --open`). */
  readonly stock?: readonly StockPeerAnswer[];
}

/** What is the same in most answers. */
export interface StandingTerms {
  readonly origin: { readonly id: string; readonly port: number };
  readonly pass: string;
  /** Volunteer ids whose passes no longer count. */
  readonly revoked: readonly string[];
  /** Where customers reach central, without a slash at the end; left out: where the volunteer does. */
  readonly publicUrl?: string;
  /** Where central takes the volunteer to stand: what its ticket says, else by its address. */
  readonly site?: string;
  /** How the work at the borders of sites is shared; left out where it is not. */
  readonly border?: BorderPlan;
}

/** Answer to a volunteer's announce, all of it. */
export interface WholeAnswer extends News {
  readonly terms: StandingTerms;
}

/** As it goes out in JSON (docs/protocol.md); to a volunteer that tells what it knows without that (`told-parts.ts`). */
export interface VolunteerAnswer extends News, Partial<StandingTerms> {
  /** Of the peers that the volunteer knows those that would be named again: a bitmap over their tags, base64. */
  readonly kept?: string;
  /** Tag of the standing terms, if they are told. */
  readonly terms?: string;
}

export interface PeerAnswer {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly site?: string;
  /** Has every content of this release. */
  readonly complete?: number;
  /** Has something of these bundles. */
  readonly bundles?: readonly number[];
  /** Stands for all this in later announces; only to a volunteer that tells what it knows. */
  readonly tag?: string;
}

/** What the answer says of a peer. */
export function peerAnswerOf(volunteer: LiveVolunteer): PeerAnswer {
  const { id, host, port, site, holdings } = volunteer;
  const bundles = bundlesHeld(holdings);
  return {
    id,
    host,
    port,
    ...(site === undefined ? {} : { site }),
    ...(holdings.completeRelease > 0 ? { complete: holdings.completeRelease } : {}),
    ...(bundles.length > 0 ? { bundles } : {}),
  };
}

/** Seconds within ± 10 % of an interval, so that volunteers that started together drift apart; at least 1. */
export function jitteredIntervalSeconds(intervalMs: number, random: () => number): number {
  return Math.max(1, Math.round((intervalMs * (0.9 + 0.2 * random())) / 1000));
}

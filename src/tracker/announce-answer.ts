import type { BorderPlan } from "./border-plan.ts";
import { bundlesHeld } from "./holdings.ts";
import type { LiveVolunteer } from "./live-volunteer.ts";
import type { StockPeerAnswer } from "./open-swarm.ts";
import type { VolatileAssignment } from "./volatile-assignment.ts";

/** Answer to a volunteer's announce as it goes out in JSON (docs/protocol.md). */
export interface VolunteerAnswer {
  /** Seconds. */
  readonly interval: number;
  readonly peers: readonly PeerAnswer[];
  readonly origin: { readonly id: string; readonly port: number };
  readonly pass: string;
  /** Volunteer ids whose passes no longer count. */
  readonly revoked: readonly string[];
  /** Newest release, 0 before the first. */
  readonly release: number;
  readonly holdingsId: number;
  readonly fullHoldingsWanted: boolean;
  /** Where central takes the volunteer to stand: what its ticket says, else by its address. */
  readonly site?: string;
  /** Other volunteers there. */
  readonly neighbours: number;
  /** How the work at the borders of sites is shared; left out where it is not. */
  readonly border?: BorderPlan;
  /** Only for a volatile volunteer, and once there is a release. */
  readonly assignment?: VolatileAssignment;
  /** Stock clients for what is being fetched; undefined unless they are let in (`serve --open`). */
  readonly stock?: readonly StockPeerAnswer[];
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

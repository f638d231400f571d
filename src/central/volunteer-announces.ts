import type { Clock, Random } from "../core/clock.ts";
import type { RegisteredVolunteer } from "../store/volunteer-rows.ts";
import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import { jitteredIntervalSeconds, peerAnswerOf, type VolunteerAnswer } from "../tracker/announce-answer.ts";
import { type BorderPlan, borderHomes, borderPlanFor, NO_BORDER_PLAN } from "../tracker/border-plan.ts";
import { choosePeers, type PeerRules } from "../tracker/choose-peers.ts";
import { TrackerError } from "../tracker/errors.ts";
import type { LiveVolunteer } from "../tracker/live-volunteer.ts";
import { stockPeersFor } from "../tracker/open-swarm.ts";
import type { StockSwarms } from "../tracker/stock-swarms.ts";
import { withoutKnown } from "../tracker/told-parts.ts";
import { parseVolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import type { VolunteerStateStore } from "../tracker/volunteer-states.ts";
import type { AdmittedVolunteers } from "./admitted-volunteers.ts";
import type { RepositoryAuthority } from "./ports.ts";
import type { PublishedTree } from "./published-tree.ts";
import type { VolatileAssignments } from "./volatile-assignments.ts";
import { passFor } from "./volunteer-passes.ts";

export interface AnnounceContext {
  readonly tree: PublishedTree;
  readonly registry: VolunteerRegistry;
  readonly admitted: AdmittedVolunteers;
  readonly live: VolunteerStateStore;
  readonly authority: RepositoryAuthority;
  readonly clock: Clock;
  readonly random: Random;
  readonly announceIntervalMs: number;
  /** Do sites share the work at their borders (`serve --fair-sites`)? */
  readonly areSitesFair: boolean;
  /** Where customers reach central (`serve --public-url`). */
  readonly publicUrl: string | undefined;
  readonly origin: () => { readonly id: string; readonly port: number };
  /** What sites share is told to the origin, too: it serves one volunteer of each beside its slots. */
  readonly noteBorder: (homes: readonly string[]) => void;
  /** Connects to an announced address; the result goes to {@link VolunteerStateStore.notePort}. */
  readonly checkPort: (address: { readonly id: string; readonly host: string; readonly port: number }) => void;
  /** Looks for a new release; the number of the current one, 0 if there is none. */
  readonly refreshNow: () => Promise<number>;
  /** Undefined unless stock clients are let in (`serve --open`). */
  readonly stockSwarms: StockSwarms | undefined;
  readonly assignments: VolatileAssignments;
  /** Of this process alone; of the tags that stand for parts of answers (`tracker/told-parts.ts`). */
  readonly tagKey: Uint8Array;
}

/** An announce whose signature was checked. */
export interface AuthenticatedAnnounce {
  readonly volunteer: RegisteredVolunteer & { readonly id: string };
  /** The socket's address. */
  readonly host: string;
  readonly query: string;
  readonly body: Uint8Array;
}

/**
 * Takes in an announce and makes its answer.
 *
 * @throws TrackerError `bad-announce`
 */
export async function answerVolunteer(context: AnnounceContext, from: AuthenticatedAnnounce): Promise<VolunteerAnswer> {
  const { volunteer, host } = from;
  const announce = parseVolunteerAnnounce(from.query, from.body);
  if (announce.peerId !== volunteer.id) {
    throw new TrackerError("bad-announce", `announce: expected peer id ${volunteer.id}, got ${announce.peerId}`);
  }
  if (announce.repository !== context.authority.repositoryId) {
    const told = `announce: expected repository ${context.authority.repositoryId}, got ${announce.repository}`;
    throw new TrackerError("bad-announce", told);
  }
  const held = Math.max(announce.release, announce.holdings.completeRelease ?? 0);
  // A quick mirror may be done with a release that was published a moment ago and not looked for yet.
  const known = context.tree.release?.number ?? 0;
  const newest = held > known ? await context.refreshNow() : known;
  if (held > newest) {
    throw new TrackerError("bad-announce", `announce: expected a release up to ${newest}, got a later one`);
  }
  const outcome = await context.live.announce(announce, { id: volunteer.id, host, site: volunteer.site });
  if (outcome.isPortCheckDue) context.checkPort({ id: volunteer.id, host, port: announce.port });
  const plan = borderPlan(context, outcome.volunteer);
  const { site } = outcome.volunteer;
  const terms = {
    origin: context.origin(),
    pass: passFor(context.authority, context.clock, { publicKey: volunteer.publicKey!, site }),
    revoked: context.registry.revokedIds(),
    ...(context.publicUrl === undefined ? {} : { publicUrl: context.publicUrl }),
    ...(site === undefined ? {} : { site }),
    ...(plan.homes.length === 0 ? {} : { border: plan }),
  };
  const answer = {
    interval: jitteredIntervalSeconds(context.announceIntervalMs, context.random),
    peers: announce.event === "stopped" ? [] : peersFor(context, outcome.volunteer, plan),
    release: newest,
    holdingsId: outcome.holdingsId,
    fullHoldingsWanted: outcome.fullHoldingsWanted,
    neighbours: context.live.neighbourCount(outcome.volunteer),
    ...assignmentFor(context, outcome.volunteer),
    ...stockFor(context, outcome.volunteer),
    terms,
  };
  return withoutKnown(answer, announce.known, context.tagKey);
}

/** What it brings for its site; the origin hears of the sites at each announce. */
function borderPlan(context: AnnounceContext, asking: LiveVolunteer): BorderPlan {
  if (!context.areSitesFair) return NO_BORDER_PLAN;
  const [all, rules] = [context.live.all(), peerRules(context)];
  context.noteBorder(borderHomes(all, asking.lastSeenMs, rules));
  return borderPlanFor(asking, all, rules);
}

/** One that goes away needs none. */
function assignmentFor(
  { assignments }: AnnounceContext,
  { id, volatileQuotaBytes }: LiveVolunteer,
): Pick<VolunteerAnswer, "assignment"> {
  const assignment = volatileQuotaBytes === undefined ? undefined : assignments.of(id, volatileQuotaBytes);
  return assignment === undefined ? {} : { assignment };
}

/** The key alone tells a volunteer that stock clients are let in. */
function stockFor(
  { stockSwarms, tree, random }: AnnounceContext,
  asking: LiveVolunteer,
): Pick<VolunteerAnswer, "stock"> {
  if (stockSwarms === undefined) return {};
  return { stock: stockPeersFor(asking, tree.bundleNumbers(), { swarms: stockSwarms, random }) };
}

function peersFor(context: AnnounceContext, asking: LiveVolunteer, { tasks }: BorderPlan): VolunteerAnswer["peers"] {
  const { live, random } = context;
  const rules = { ...peerRules(context), random, balance: live.balance, sitesOfTasks: tasks.map(({ site }) => site) };
  return choosePeers(asking, live.all(), rules).map(peerAnswerOf);
}

/** Whom any answer may name. */
export function peerRules({ live, admitted }: Pick<AnnounceContext, "live" | "admitted">): Omit<PeerRules, "random"> {
  const { byId } = admitted;
  return { isSilent: live.isSilent.bind(live), isAdmitted: (id) => byId.has(id) };
}

import type { Random } from "../core/clock.ts";
import type { KnownPeer } from "../swarm/ports.ts";
import type { SiteNews } from "../swarm/site-view.ts";
import { jitteredIntervalSeconds } from "../tracker/announce-answer.ts";
import { borderHomes, borderPlanFor, NO_BORDER_PLAN } from "../tracker/border-plan.ts";
import { choosePeers } from "../tracker/choose-peers.ts";
import { LiveVolunteers } from "../tracker/live-volunteers.ts";
import type { BorderReport } from "../tracker/site-balance.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Central's default. */
const INTERVAL_MS = 60_000;
/** Central tries a port within this time. */
const PORT_CHECK_MS = 100;
const REPOSITORY = "51".repeat(16);

/** What a simulated volunteer tells the tracker. */
export interface SimAnnounce {
  readonly id: string;
  readonly host: string;
  /** From the ticket; undefined: the tracker makes do with the address. */
  readonly site: string | undefined;
  readonly isReachable: boolean;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly leftBytes: number;
  readonly border: BorderReport;
  readonly event?: "started" | "completed" | "stopped";
}

export interface SimAnswer {
  readonly intervalMs: number;
  readonly peers: readonly KnownPeer[];
  readonly news: SiteNews;
  /** For the origin. */
  readonly homes: readonly string[];
}

/**
 * What of locality is at work. `plain`: near peers first, whatever sites gave. `balanced`: as central does it, sites in debt are
 * named more often. `fair`: as `serve --fair-sites` does it, pieces have homes.
 */
export type Locality = "none" | "plain" | "balanced" | "fair";

export interface SimTrackerOptions {
  readonly random: Random;
  readonly origin: KnownPeer;
  readonly locality: Locality;
}

/** Central's tracker without HTTP and signatures: the real registry of announces and the real choice of peers. */
export class SimTracker {
  readonly live: LiveVolunteers;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #origin: KnownPeer;
  readonly #locality: Locality;

  constructor(clock: VirtualClock, options: SimTrackerOptions) {
    this.#clock = clock;
    this.#random = options.random;
    this.#origin = options.origin;
    this.#locality = options.locality;
    this.live = new LiveVolunteers(clock, INTERVAL_MS);
  }

  announce(from: SimAnnounce): SimAnswer {
    const { id, host, site } = from;
    const outcome = this.live.announce(announceOf(from), { id, host, site });
    if (outcome.isPortCheckDue) {
      const address = { id, host, port: outcome.volunteer.port };
      this.#clock.schedule(PORT_CHECK_MS, () => this.live.notePort(address, from.isReachable));
    }
    const { live } = this;
    const rules = { isSilent: live.isSilent.bind(live), isAdmitted: () => true, random: this.#random };
    const isBalanced = this.#locality === "balanced" || this.#locality === "fair";
    const asking = this.#locality === "none" ? { ...outcome.volunteer, site: undefined } : outcome.volunteer;
    const plan = this.#locality === "fair" ? borderPlanFor(asking, live.all(), rules) : NO_BORDER_PLAN;
    const balanced = isBalanced ? { balance: live.balance, sitesOfTasks: plan.tasks.map((task) => task.site) } : {};
    const chosen = choosePeers(asking, live.all(), { ...rules, ...balanced });
    const peers: KnownPeer[] = chosen.map((volunteer) => ({
      id: volunteer.id,
      host: volunteer.host,
      port: volunteer.port,
      isOrigin: false,
      mayHold: () => true,
      ...(volunteer.site === undefined ? {} : { site: volunteer.site }),
    }));
    return {
      intervalMs: jitteredIntervalSeconds(INTERVAL_MS, this.#random) * 1000,
      peers: [...peers, this.#origin],
      news: {
        site: asking.site,
        neighbourCount: live.neighbourCount(asking),
        border: plan,
      },
      homes: this.#locality === "fair" ? borderHomes(live.all(), asking.lastSeenMs, rules) : [],
    };
  }
}

function announceOf({
  id,
  leftBytes,
  uploadedBytes,
  downloadedBytes,
  event,
  site,
  border,
}: SimAnnounce): VolunteerAnnounce {
  return {
    peerId: id,
    port: 7382,
    uploadedBytes,
    downloadedBytes,
    leftBytes,
    event,
    repository: REPOSITORY,
    release: leftBytes === 0 ? 1 : 0,
    isSyncing: leftBytes > 0,
    bytesLeft: leftBytes,
    customers: 0,
    customerBytesLeft: 0,
    uploadBytesPerSecond: 0,
    uploadCapacityBytesPerSecond: 0,
    site,
    url: undefined,
    customersFrom: "any",
    isOnlyRedirected: false,
    volatileQuotaBytes: undefined,
    isByName: false,
    expectedMs: undefined,
    border,
    transfers: undefined,
    known: undefined,
    holdings: {
      base: 0,
      completeRelease: leftBytes === 0 ? 1 : undefined,
      bundles: leftBytes === 0 ? new Map() : new Map([[1, "none"]]),
    },
  };
}

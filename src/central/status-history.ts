import type { SwarmNode } from "../net/swarm-node.ts";
import type { VolunteerStates } from "../tracker/volunteer-states.ts";
import type { Clock } from "../core/clock.ts";
import type { CentralCounters } from "./central-counters.ts";
import { HourlyTraffic } from "./hourly-traffic.ts";
import type { PublishedTree } from "./published-tree.ts";
import { ReleaseSpread } from "./release-spread.ts";

export interface HistoryContext {
  readonly tree: PublishedTree;
  readonly live: Pick<VolunteerStates, "all">;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly node: () => SwarmNode;
}

/** What the status page shows over time, since central started. Memory: five releases × volunteers, 48 hours. */
export class StatusHistory {
  readonly #context: HistoryContext;
  readonly traffic: HourlyTraffic = new HourlyTraffic();
  readonly spread: ReleaseSpread = new ReleaseSpread();

  constructor(context: HistoryContext) {
    this.#context = context;
  }

  /** Looks at everything as it is now. */
  observe(): void {
    const { tree, live, counters, clock, node } = this.#context;
    const wallMs = clock.wallMs();
    const { customerRequests, customerRedirects, customerBytes } = counters;
    const swarmBytes = node().counters.uploadedBytes;
    this.traffic.note({ customerRequests, customerRedirects, customerBytes, swarmBytes }, wallMs);
    const { release } = tree;
    if (release === undefined) return;
    const held = new Map(live.all().map((volunteer) => [volunteer.id, volunteer.release]));
    this.spread.note({ number: release.number, createdMs: Date.parse(release.created) }, held, wallMs);
  }
}

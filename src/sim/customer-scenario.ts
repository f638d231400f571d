import { seededRandom, type Random } from "../core/clock.ts";
import { type Policy, smallest } from "../delivery/policies/policy.ts";
import { CustomerCentral, type LoadView } from "./customer-central.ts";
import { CustomerMirror, type MirrorSync, type MirrorWork } from "./customer-mirror.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Between a customer's request to central and the first byte on the volunteer's line: redirect, connection, request. */
const CONNECT_MS = 100;

export interface ScenarioMirror {
  readonly upBytesPerSecond: number;
  readonly syncs: readonly MirrorSync[];
}

export interface ScenarioRequest {
  readonly atSeconds: number;
  readonly bytes: number;
  /** What the customer's own line takes. */
  readonly capBytesPerSecond: number;
}

/**
 * What the choice knows. `central`: what the program knows. `announces`: the last announces alone. `truth`: what every
 * volunteer has to send at this moment.
 */
export type Knowledge = "central" | "announces" | "truth";

export interface PolicyChoice {
  readonly kind: "policy";
  readonly policy: (random: Random) => Policy;
  readonly knowledge: Knowledge;
  /** Does the synchronisation of a mirror count as load? */
  readonly countsSync: boolean;
}

/** `oracle`: wherever the request adds least to the response times of all, came nobody after it; knows every open transfer. */
export type ScenarioChoice = PolicyChoice | { readonly kind: "oracle" };

export interface CustomerScenario {
  readonly seed: number;
  readonly mirrors: readonly ScenarioMirror[];
  /** In order of time. */
  readonly requests: readonly ScenarioRequest[];
  readonly choice: ScenarioChoice;
  readonly announceSeconds: number;
  /** Work counts from here on; before, lines that begin idle fill. */
  readonly warmUpSeconds: number;
}

export interface CustomerOutcome {
  /** From request to last byte, in the order of the requests. */
  readonly responseSeconds: Float64Array;
  readonly work: readonly MirrorWork[];
  /** Nobody was eligible. */
  readonly refusedCount: number;
}

/** Plays customers against mirrors until everybody has been served. Follows from the seed alone. */
export async function runCustomers(scenario: CustomerScenario): Promise<CustomerOutcome> {
  return await new CustomerRun(scenario).run();
}

class CustomerRun {
  readonly #scenario: CustomerScenario;
  readonly #clock = new VirtualClock();
  readonly #mirrors = new Map<string, CustomerMirror>();
  readonly #central: CustomerCentral;
  readonly #responseSeconds: Float64Array;
  #asking: ScenarioRequest | undefined;
  #settledCount = 0;
  #refusedCount = 0;

  constructor(scenario: CustomerScenario) {
    this.#scenario = scenario;
    this.#responseSeconds = new Float64Array(scenario.requests.length);
    const random = seededRandom(scenario.seed);
    const intervalMs = scenario.announceSeconds * 1000;
    for (const mirror of scenario.mirrors) {
      const id = Array.from({ length: 40 }, () => Math.floor(random() * 16).toString(16)).join("");
      const announce = this.#announce.bind(this);
      this.#mirrors.set(id, new CustomerMirror(this.#clock, { ...mirror, id, intervalMs, random, announce }));
    }
    const { choice } = scenario;
    const view = choice.kind === "policy" ? this.#viewOf(choice) : undefined;
    this.#central = new CustomerCentral(this.#clock, {
      intervalMs,
      policy: choice.kind === "policy" ? choice.policy(seededRandom(scenario.seed + 1)) : this.#oracle(),
      random: seededRandom(scenario.seed + 2),
      ...(view === undefined ? {} : { view }),
      countsSync: choice.kind !== "policy" || choice.countsSync,
    });
  }

  async run(): Promise<CustomerOutcome> {
    const mirrors = [...this.#mirrors.values()];
    for (const mirror of mirrors) mirror.start();
    let before: readonly MirrorWork[] = [];
    this.#clock.schedule(this.#scenario.warmUpSeconds * 1000, () => {
      before = mirrors.map((mirror) => mirror.work);
    });
    this.#next(0);
    const { requests } = this.#scenario;
    await this.#clock.runUntil(() => this.#settledCount === requests.length, Infinity);
    const work = mirrors.map((mirror, index) => sinceThen(mirror.work, before[index]));
    return { responseSeconds: this.#responseSeconds, work, refusedCount: this.#refusedCount };
  }

  #announce(id: string, announce: VolunteerAnnounce): void {
    this.#central.announce(id, announce);
  }

  #viewOf({ knowledge }: PolicyChoice): LoadView | undefined {
    switch (knowledge) {
      case "central":
        return undefined;
      case "announces":
        return (_id, report) => report;
      case "truth":
        return (id) => this.#mirrors.get(id)!.load;
    }
  }

  #oracle(): Policy {
    return {
      needsAll: true,
      rank: (candidates, _demand, count) => {
        const { bytes, capBytesPerSecond } = this.#asking!;
        return smallest(candidates, count, ({ id }) => this.#mirrors.get(id)!.addedSeconds(bytes, capBytesPerSecond));
      },
    };
  }

  /** One timer for all that come, not one for each. */
  #next(index: number): void {
    const request = this.#scenario.requests[index];
    if (request === undefined) return;
    this.#clock.schedule((request.atSeconds - this.#clock.passedSeconds) * 1000, () => {
      this.#request(request, index);
      this.#next(index + 1);
    });
  }

  #request(request: ScenarioRequest, index: number): void {
    const { atSeconds, bytes, capBytesPerSecond } = request;
    this.#asking = request;
    const id = this.#central.redirect(bytes);
    if (id === undefined) {
      this.#refusedCount++;
      this.#settledCount++;
      return;
    }
    this.#clock.schedule(CONNECT_MS, () => {
      this.#mirrors.get(id)!.serve(bytes, capBytesPerSecond, () => {
        this.#responseSeconds[index] = this.#clock.passedSeconds - atSeconds;
        this.#settledCount++;
      });
    });
  }
}

function sinceThen(now: MirrorWork, then: MirrorWork | undefined): MirrorWork {
  if (then === undefined) return now;
  return {
    upBytesPerSecond: now.upBytesPerSecond,
    assignedBytes: now.assignedBytes - then.assignedBytes,
    syncBytes: now.syncBytes - then.syncBytes,
  };
}

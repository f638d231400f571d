import type { CentralCounters } from "../central/central-counters.ts";
import type { CustomerLine } from "./customer-line.ts";
import type { FleetSpread } from "./fleet-spread.ts";
import type { FleetVolunteer } from "./fleet-volunteer.ts";
import type { FleetRequest, FleetWorkload } from "./fleet-workload.ts";
import type { FluidGroup } from "./fluid-line.ts";

const DAY_SECONDS = 86_400;

/** Mean bytes per second within one bin. */
export interface FleetSample {
  readonly endSeconds: number;
  /** Central to customers. */
  readonly originToCustomers: number;
  /** Central to volunteers. */
  readonly originToVolunteers: number;
  readonly volunteersToCustomers: number;
}

/** From the publishing of a release, in seconds; undefined: not within the time that was played. */
export interface ReleaseTimes {
  readonly publishedSeconds: number;
  /** Until the last volunteer that stays knew of it. */
  readonly toldSeconds: number | undefined;
  /** Until the last volunteer that stays had what it is to have. */
  readonly completeSeconds: number | undefined;
}

export interface FleetOutcome {
  readonly samples: readonly FleetSample[];
  /** From request to last byte, in the order of the requests. */
  readonly waitSeconds: Float64Array;
  /** Bytes that customers were sent for, by whom. */
  readonly originCustomerBytes: number;
  readonly volunteerCustomerBytes: number;
  /** Of these, by a volunteer of the customer's own site. */
  readonly sameSiteBytes: number;
  readonly originSyncBytes: number;
  readonly volunteerSyncBytes: number;
  /** Fetched by each volunteer. */
  readonly fetchedBytes: readonly number[];
  /** Seconds of synchronisation of each volunteer on each day; a run of rsync counts for the day on which it began. */
  readonly syncSeconds: readonly (readonly number[])[];
  readonly releases: readonly ReleaseTimes[];
  /** A customer came to a volunteer that was gone. */
  readonly refusedConnections: number;
  /** A volunteer left while it served. */
  readonly interruptions: number;
  /** A volunteer no longer had what central thought. */
  readonly misses: number;
}

interface Asking extends FleetRequest {
  readonly number: number;
  isOriginWanted: boolean;
  fromBytes: number;
}

interface Served {
  readonly site: string | undefined;
  readonly isOrigin: boolean;
  readonly bytes: number;
}

interface Recorded {
  readonly workload: FleetWorkload;
  readonly binSeconds: number;
}

/** Bookkeeping of a fleet's run. */
export class FleetRecord {
  readonly #scenario: Recorded;
  readonly #volunteers: readonly FleetVolunteer[];
  readonly #origin: CustomerLine;
  readonly #spread: FleetSpread;
  readonly #waitSeconds: Float64Array;
  readonly #samples: FleetSample[] = [];
  readonly #asking = new Map<() => void, Asking>();
  readonly #syncSeconds: number[][];
  readonly #rsyncing = new Set<FleetVolunteer>();
  readonly #rsyncGroups = new Map<number, FluidGroup>();
  readonly #told: (number | undefined)[][] = [];
  readonly #complete: (number | undefined)[][] = [];
  readonly #passedSeconds: () => number;
  #last = { originToCustomers: 0, originToVolunteers: 0, volunteersToCustomers: 0 };
  #sameSiteBytes = 0;
  #originCustomerBytes = 0;
  #volunteerCustomerBytes = 0;
  settledCount = 0;
  refusedConnections = 0;
  interruptions = 0;

  constructor(
    scenario: Recorded,
    volunteers: readonly FleetVolunteer[],
    { origin, spread, passedSeconds }: { origin: CustomerLine; spread: FleetSpread; passedSeconds: () => number },
  ) {
    this.#scenario = scenario;
    this.#volunteers = volunteers;
    this.#origin = origin;
    this.#spread = spread;
    this.#passedSeconds = passedSeconds;
    this.#waitSeconds = new Float64Array(scenario.workload.requests.length);
    const days = Math.ceil(scenario.workload.horizonSeconds / DAY_SECONDS);
    this.#syncSeconds = volunteers.map(() => new Array<number>(days).fill(0));
    this.notePublished();
  }

  notePublished(): void {
    this.#told.push(new Array<undefined>(this.#volunteers.length).fill(undefined));
    this.#complete.push(new Array<undefined>(this.#volunteers.length).fill(undefined));
  }

  /** It knows of all that is published. */
  noteTold(volunteer: FleetVolunteer): void {
    this.#noteFirst(this.#told, volunteer);
  }

  /** It has all that it is to have. */
  noteComplete(volunteer: FleetVolunteer): void {
    if (volunteer.head === undefined) this.#noteFirst(this.#complete, volunteer);
  }

  /** Whoever fetches does so for these seconds. */
  noteSyncing(seconds: number): void {
    this.#volunteers.forEach((volunteer, at) => {
      const isFetching = volunteer.isOnline && volunteer.plan.rsync === undefined && volunteer.head !== undefined;
      if (isFetching) this.#addSync(at, this.#passedSeconds(), seconds);
    });
  }

  isRsyncing(volunteer: FleetVolunteer): boolean {
    return this.#rsyncing.has(volunteer);
  }

  /** A run of rsync begins. @returns to be called at its end */
  noteRsync(volunteer: FleetVolunteer): () => void {
    this.#rsyncing.add(volunteer);
    const startSeconds = this.#passedSeconds();
    return () => {
      this.#rsyncing.delete(volunteer);
      const day = Math.floor(startSeconds / DAY_SECONDS);
      this.#syncSeconds[this.#volunteers.indexOf(volunteer)]![day]! += this.#passedSeconds() - startSeconds;
    };
  }

  /** Where central sends to those that run rsync with such a line. */
  rsyncLine({ line }: CustomerLine, capBytesPerSecond: number): FluidGroup {
    let group = this.#rsyncGroups.get(capBytesPerSecond);
    if (group === undefined) {
      group = line.group({ weight: 1, capBytesPerSecond });
      this.#rsyncGroups.set(capBytesPerSecond, group);
    }
    return group;
  }

  noteServing(customer: Asking, onDone: () => void, { site, isOrigin, bytes }: Served): void {
    this.#asking.set(onDone, customer);
    if (isOrigin) this.#originCustomerBytes += bytes;
    else this.#volunteerCustomerBytes += bytes;
    if (!isOrigin && site !== undefined && site === customer.site) this.#sameSiteBytes += bytes;
  }

  /** Whose transfer this is. */
  customerOf(onDone: () => void): Asking {
    const customer = this.#asking.get(onDone)!;
    this.#asking.delete(onDone);
    return customer;
  }

  /** A transfer was cut off: what is left goes to somebody else's account. */
  noteCut(leftBytes: number): void {
    this.#volunteerCustomerBytes -= leftBytes;
    this.interruptions++;
  }

  noteServed({ number, atSeconds }: Asking, onDone: () => void): void {
    this.#asking.delete(onDone);
    this.#waitSeconds[number] = this.#passedSeconds() - atSeconds;
    this.settledCount++;
  }

  /** The end of a bin. */
  sample(): void {
    const now = {
      originToCustomers: this.#origin.sentBytes,
      originToVolunteers: this.#originSyncBytes,
      volunteersToCustomers: this.#volunteers.reduce((sum, { customers }) => sum + customers.sentBytes, 0),
    };
    const { binSeconds } = this.#scenario;
    const rate = (key: keyof typeof now): number => (now[key] - this.#last[key]) / binSeconds;
    this.#samples.push({
      endSeconds: this.#passedSeconds(),
      originToCustomers: rate("originToCustomers"),
      originToVolunteers: rate("originToVolunteers"),
      volunteersToCustomers: rate("volunteersToCustomers"),
    });
    this.#last = now;
  }

  outcome({ customerMisses }: CentralCounters): FleetOutcome {
    return {
      samples: this.#samples,
      waitSeconds: this.#waitSeconds,
      originCustomerBytes: this.#originCustomerBytes,
      volunteerCustomerBytes: this.#volunteerCustomerBytes,
      sameSiteBytes: this.#sameSiteBytes,
      originSyncBytes: this.#originSyncBytes,
      volunteerSyncBytes: this.#spread.volunteerBytes,
      fetchedBytes: this.#volunteers.map(({ fetchedBytes }) => fetchedBytes),
      syncSeconds: this.#syncSeconds,
      releases: this.#scenario.workload.publishedSeconds.map((publishedSeconds, release) => ({
        publishedSeconds,
        toldSeconds: this.#lastOf(this.#told[release], publishedSeconds),
        completeSeconds: this.#lastOf(this.#complete[release], publishedSeconds),
      })),
      refusedConnections: this.refusedConnections,
      interruptions: this.interruptions,
      misses: customerMisses,
    };
  }

  get #originSyncBytes(): number {
    let bytes = this.#spread.originBytes;
    for (const group of this.#rsyncGroups.values()) bytes += group.sentBytes;
    return bytes;
  }

  #noteFirst(times: (number | undefined)[][], volunteer: FleetVolunteer): void {
    const at = this.#volunteers.indexOf(volunteer);
    for (let release = 0; release < volunteer.releases; release++) times[release]![at] ??= this.#passedSeconds();
  }

  /** Of the volunteers that stay. */
  #lastOf(times: readonly (number | undefined)[] = [], sinceSeconds: number): number | undefined {
    const ofThoseThatStay = times.filter((_, at) => this.#volunteers[at]!.plan.sessions.at(-1)?.toSeconds === Infinity);
    if (ofThoseThatStay.includes(undefined) || ofThoseThatStay.length === 0) return undefined;
    return Math.max(...ofThoseThatStay.map((seconds) => seconds! - sinceSeconds));
  }

  /** Spread over the days that it touches. */
  #addSync(at: number, fromSeconds: number, seconds: number): void {
    const days = this.#syncSeconds[at]!;
    for (let from = fromSeconds, left = seconds; left > 0;) {
      const day = Math.floor(from / DAY_SECONDS);
      const part = Math.min(left, (day + 1) * DAY_SECONDS - from);
      if (day < days.length) days[day]! += part;
      from += part;
      left -= part;
    }
  }
}

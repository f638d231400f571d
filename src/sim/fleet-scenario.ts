import { seededRandom, type Random } from "../core/clock.ts";
import type { PolicyName } from "../delivery/policies/named-policy.ts";
import { CustomerLine } from "./customer-line.ts";
import { FleetCentral } from "./fleet-central.ts";
import { type FleetOutcome, FleetRecord } from "./fleet-record.ts";
import { FleetSpread } from "./fleet-spread.ts";
import { bundlesOf, placesOf } from "./fleet-holdings.ts";
import { FleetVolunteer, type FleetVolunteerPlan } from "./fleet-volunteer.ts";
import type { FleetRequest, FleetWorkload } from "./fleet-workload.ts";
import { MirrorAnnouncer } from "./mirror-announcer.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Between a customer's request to central and the first byte on a line: redirect, connection, request. */
const CONNECT_MS = 100;
/** Customers' tools try again after a second or so, which central takes for a failure of its choice (`delivery/recent-requests.ts`). */
const RETRY_MS = 1_000;
/** A swarm in steps of so many seconds, if nothing else is said. */
const STEP_SECONDS = 10;
const DAY_SECONDS = 86_400;
/** Volunteers hear of a release within 2 s per 100 of them (design: events). */
const TOLD_SECONDS_PER_VOLUNTEER = 0.02;

export interface FleetScenario {
  readonly seed: number;
  readonly workload: FleetWorkload;
  readonly originBytesPerSecond: number;
  /** Of which at most so much goes to volunteers that synchronise; left out: all. */
  readonly originSyncBytesPerSecond?: number;
  readonly volunteers: readonly FleetVolunteerPlan[];
  /** How central chooses; undefined: it serves all customers itself. */
  readonly policy: PolicyName | undefined;
  readonly announceSeconds: number;
  /** Of the series in the outcome. */
  readonly binSeconds: number;
  /** Of the swarm; 10 s if left out. */
  readonly stepSeconds?: number;
}

interface Customer extends FleetRequest {
  readonly number: number;
  isOriginWanted: boolean;
  /** It has so much already. */
  fromBytes: number;
}

/**
 * Plays days of a repository: releases spread among volunteers that come and go, while customers ask central, which sends them by its
 * own choice to who has the file. Customers and the swarm are fluids on the same lines. Follows from the seed alone.
 */
export async function runFleet(scenario: FleetScenario): Promise<FleetOutcome> {
  return await new FleetRun(scenario).run();
}

class FleetRun {
  readonly #scenario: FleetScenario;
  readonly #clock = new VirtualClock();
  readonly #random: Random;
  readonly #origin: CustomerLine;
  readonly #central: FleetCentral;
  readonly #volunteers: readonly FleetVolunteer[];
  readonly #byId = new Map<string, FleetVolunteer>();
  readonly #announcers = new Map<FleetVolunteer, MirrorAnnouncer>();
  readonly #spread: FleetSpread;
  readonly #record: FleetRecord;
  readonly #requestCounts: Uint32Array;
  #releases = 1;
  #isSpreading = false;

  constructor(scenario: FleetScenario) {
    this.#scenario = scenario;
    const { seed, workload, originBytesPerSecond, policy, announceSeconds } = scenario;
    const { files } = workload;
    const random = (this.#random = seededRandom(seed));
    const places = placesOf(files);
    const bundleOf = bundlesOf(files);
    const intervalMs = announceSeconds * 1000;
    const clock = this.#clock;
    this.#origin = new CustomerLine(clock, originBytesPerSecond);
    this.#requestCounts = new Uint32Array(files.length);
    this.#central = new FleetCentral(clock, { random: seededRandom(seed + 1), intervalMs, policy, files, places });
    this.#volunteers = scenario.volunteers.map((plan) => {
      const volunteer = new FleetVolunteer(plan, { clock, random, files, places, bundleOf });
      const id = Array.from({ length: 40 }, () => Math.floor(random() * 16).toString(16)).join("");
      const { site, upBytesPerSecond } = plan;
      const announcer = new MirrorAnnouncer(clock, {
        id,
        site,
        upBytesPerSecond,
        intervalMs,
        random,
        state: () => volunteer.state(),
        announce: (from, announce) => this.#central.announce(from, announce),
      });
      this.#byId.set(id, volunteer);
      this.#announcers.set(volunteer, announcer);
      return volunteer;
    });
    this.#spread = new FleetSpread({
      files,
      origin: this.#origin,
      originLimitBytesPerSecond: scenario.originSyncBytesPerSecond ?? Infinity,
      volunteers: this.#volunteers,
    });
    this.#record = new FleetRecord(scenario, this.#volunteers, {
      origin: this.#origin,
      spread: this.#spread,
      passedSeconds: () => clock.passedSeconds,
    });
  }

  async run(): Promise<FleetOutcome> {
    const { workload, binSeconds } = this.#scenario;
    this.#publishFirst();
    workload.publishedSeconds.slice(1).forEach((seconds) => this.#at(seconds, () => this.#publish()));
    for (const volunteer of this.#volunteers) this.#scheduleSessions(volunteer);
    this.#next(0);
    const sample = (): void => {
      this.#record.sample();
      this.#clock.schedule(binSeconds * 1000, sample);
    };
    this.#clock.schedule(binSeconds * 1000, sample);
    const isDone = (): boolean => this.#record.settledCount === workload.requests.length;
    await this.#clock.runUntil(() => this.#clock.passedSeconds >= workload.horizonSeconds && isDone(), Infinity);
    return this.#record.outcome(this.#central.counters);
  }

  #at(seconds: number, action: () => void): void {
    this.#clock.schedule((seconds - this.#clock.passedSeconds) * 1000, action);
  }

  #publishFirst(): void {
    const wanted = new Set<number>();
    for (const volunteer of this.#volunteers) {
      if (!volunteer.plan.isFilled) continue;
      const files = volunteer.plan.placement(this.#view());
      volunteer.fill(files);
      volunteer.releases = 1;
      for (const file of files) wanted.add(file);
    }
    this.#spread.publish(0, this.#bytesOf(wanted), false);
  }

  #publish(): void {
    const release = this.#releases++;
    this.#record.notePublished();
    const wanted = new Set<number>();
    for (const { plan } of this.#volunteers)
      for (const file of plan.placement(this.#view()))
        if (this.#scenario.workload.files[file]!.release === release) wanted.add(file);
    this.#spread.publish(release, this.#bytesOf(wanted), true);
    const mostSeconds = TOLD_SECONDS_PER_VOLUNTEER * this.#volunteers.length;
    for (const volunteer of this.#volunteers) {
      if (volunteer.plan.rsync !== undefined) continue;
      this.#clock.schedule(this.#random() * mostSeconds * 1000, () => {
        if (volunteer.isOnline) this.#synchronise(volunteer);
      });
    }
  }

  #scheduleSessions(volunteer: FleetVolunteer): void {
    const { sessions, rsync } = volunteer.plan;
    for (const { fromSeconds, toSeconds } of sessions) {
      this.#at(fromSeconds, () => this.#arrive(volunteer));
      if (toSeconds < Infinity) this.#at(toSeconds, () => this.#leave(volunteer));
    }
    if (rsync === undefined) return;
    for (let at = rsync.secondOfDay; at < this.#scenario.workload.horizonSeconds; at += DAY_SECONDS)
      this.#at(at, () => this.#rsync(volunteer));
  }

  #arrive(volunteer: FleetVolunteer): void {
    volunteer.isOnline = true;
    this.#noteCopies(volunteer, 1);
    this.#announcers.get(volunteer)!.start();
    if (volunteer.plan.rsync === undefined) this.#synchronise(volunteer);
  }

  /** Without a farewell: its customers are cut off and ask again. */
  #leave(volunteer: FleetVolunteer): void {
    volunteer.isOnline = false;
    this.#noteCopies(volunteer, -1);
    this.#announcers.get(volunteer)!.stop();
    for (const { leftBytes, onDone } of volunteer.customers.cut()) {
      const customer = this.#record.customerOf(onDone);
      customer.fromBytes = this.#scenario.workload.files[customer.file]!.bytes - leftBytes;
      this.#record.noteCut(leftBytes);
      this.#clock.schedule(RETRY_MS, () => this.#ask(customer));
    }
  }

  #noteCopies(volunteer: FleetVolunteer, change: 1 | -1): void {
    this.#scenario.workload.files.forEach((_, file) => {
      if (volunteer.hasWhole(file)) this.#spread.noteCopy(file, change);
    });
  }

  /** Fetches what it is to have and lacks. */
  #synchronise(volunteer: FleetVolunteer): void {
    this.#retarget(volunteer);
    const announcer = this.#announcers.get(volunteer)!;
    if (volunteer.head === undefined) {
      announcer.announce("completed");
      this.#record.noteComplete(volunteer);
      return;
    }
    announcer.syncStarted();
    if (this.#isSpreading) return;
    this.#isSpreading = true;
    this.#step();
  }

  #retarget(volunteer: FleetVolunteer): void {
    const { files } = this.#scenario.workload;
    if (volunteer.isOnline) this.#noteCopies(volunteer, -1);
    volunteer.releases = this.#releases;
    const wanted = volunteer.plan.placement(this.#view());
    volunteer.retarget(wanted);
    if (volunteer.isOnline) this.#noteCopies(volunteer, 1);
    const needs = new Map<number, number>();
    for (const file of wanted) {
      const { release, bytes } = files[file]!;
      if (!volunteer.hasWhole(file)) needs.set(release, (needs.get(release) ?? 0) + bytes);
    }
    this.#spread.noteNeed(volunteer, needs);
    this.#record.noteTold(volunteer);
  }

  #step(): void {
    const { stepSeconds = STEP_SECONDS } = this.#scenario;
    this.#record.noteSyncing(stepSeconds);
    for (const volunteer of this.#spread.step(stepSeconds).keys()) {
      if (volunteer.head !== undefined) continue;
      this.#announcers.get(volunteer)!.announce("completed");
      this.#record.noteComplete(volunteer);
    }
    this.#isSpreading = this.#volunteers.some(
      (one) => one.isOnline && one.plan.rsync === undefined && one.head !== undefined,
    );
    if (this.#isSpreading) this.#clock.schedule(stepSeconds * 1000, () => this.#step());
    else {
      this.#origin.line.reserve(0);
      for (const { customers } of this.#volunteers) customers.line.reserve(0);
    }
  }

  /** Looks at all files, then takes what is missing from central, beside central's customers. A run still going on is left alone. */
  #rsync(volunteer: FleetVolunteer): void {
    if (this.#record.isRsyncing(volunteer)) return;
    const { walkSeconds } = volunteer.plan.rsync!;
    const finish = this.#record.noteRsync(volunteer);
    this.#clock.schedule(walkSeconds * 1000, () => {
      this.#retarget(volunteer);
      const { leftBytes } = volunteer;
      const done = (): void => {
        for (const file of volunteer.receive(leftBytes)) this.#spread.noteCopy(file, 1);
        finish();
        this.#announcers.get(volunteer)!.announce("completed");
        this.#record.noteComplete(volunteer);
      };
      if (leftBytes === 0) done();
      else this.#record.rsyncLine(this.#origin, volunteer.plan.downBytesPerSecond).start(leftBytes, done);
    });
  }

  #view(): { files: FleetWorkload["files"]; releases: number; requestCounts: Uint32Array } {
    const { files } = this.#scenario.workload;
    return { files, releases: this.#releases, requestCounts: this.#requestCounts };
  }

  #bytesOf(files: Iterable<number>): number {
    let bytes = 0;
    for (const file of files) bytes += this.#scenario.workload.files[file]!.bytes;
    return bytes;
  }

  /** One timer for all that come, not one for each. */
  #next(number: number): void {
    const request = this.#scenario.workload.requests[number];
    if (request === undefined) return;
    this.#at(request.atSeconds, () => {
      this.#requestCounts[request.file]!++;
      this.#ask({ ...request, number, isOriginWanted: false, fromBytes: 0 });
      this.#next(number + 1);
    });
  }

  #ask(customer: Customer): void {
    const { number, file, site, fromBytes, isOriginWanted } = customer;
    const id = this.#central.ask({ file, customer: number, site, fromBytes, isOriginWanted });
    this.#clock.schedule(CONNECT_MS, () => this.#serve(customer, id === undefined ? undefined : this.#byId.get(id)!));
  }

  #serve(customer: Customer, volunteer: FleetVolunteer | undefined): void {
    if (volunteer?.isOnline === false) {
      this.#record.refusedConnections++;
      this.#clock.schedule(RETRY_MS, () => this.#ask(customer));
      return;
    }
    if (volunteer?.holdings.has(customer.file) === false) {
      customer.isOriginWanted = true;
      this.#ask(customer);
      return;
    }
    const bytes = this.#scenario.workload.files[customer.file]!.bytes - customer.fromBytes;
    const line = volunteer?.customers ?? this.#origin;
    const onDone = (): void => this.#record.noteServed(customer, onDone);
    this.#record.noteServing(customer, onDone, {
      site: volunteer?.plan.site,
      isOrigin: volunteer === undefined,
      bytes,
    });
    line.serve(bytes, customer.downBytesPerSecond, onDone);
  }
}

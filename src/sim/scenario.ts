import type { BundleLayout } from "../core/bundle-layout.ts";
import { RangeSet } from "../core/byte-range.ts";
import { seededRandom, type Random } from "../core/clock.ts";
import { kumarRossSeconds } from "../model/kumar-ross.ts";
import { viewOfOrigin } from "../swarm/site-view.ts";
import type { LinkSpeed } from "./network.ts";
import { contentBytes, corrupted, type DiskSpeed, SimBundle } from "./sim-bundle.ts";
import { SimHost } from "./sim-host.ts";
import { type Locality, SimTracker } from "./sim-tracker.ts";
import { SYNCING_INTERVALS_MS } from "./syncing-intervals.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Daemons are known to the tracker, and their ports tried, long before a release comes. */
const KNOWN_BEFORE_MS = 200;

export interface ScenarioVolunteer {
  readonly speed: LinkSpeed;
  readonly site?: string;
  /**
   * Content bytes it found in files of its own before the start, offsets in the bundle; none by default. It gives pieces
   * that it holds whole, and asks for the rest by exact ranges.
   */
  readonly held?: RangeSet;
  readonly startSeconds?: number;
  readonly disk?: DiskSpeed;
  /** `liar`: every block it sends is wrong. `frozen`: takes requests, sends nothing. */
  readonly behaviour?: "honest" | "liar" | "frozen";
  /** False: behind a firewall that lets nobody in. */
  readonly isReachable?: boolean;
  /** It loses power at this time. */
  readonly vanishSeconds?: number;
}

export interface Scenario {
  readonly seed: number;
  readonly layout: BundleLayout;
  readonly origin: LinkSpeed;
  readonly volunteers: readonly ScenarioVolunteer[];
  /** `balanced` by default. */
  readonly locality?: Locality;
  readonly limitSeconds?: number;
  /** Called every virtual second: for plots and for those who look for lost time. */
  readonly onSecond?: (seconds: number, sample: ScenarioSample) => void;
}

/** How far a run is. */
export interface ScenarioSample {
  readonly originSentBytes: number;
  readonly volunteersSentBytes: number;
  readonly heldShare: number;
  readonly doneCount: number;
}

export interface VolunteerOutcome {
  readonly site: string | undefined;
  /** From its own start; undefined if it vanished or was not done in time. */
  readonly seconds: number | undefined;
  readonly error: unknown;
  readonly mismatchCount: number;
  /** All that came down its line, messages included, headers below the payload not. */
  readonly receivedBytes: number;
}

/** Bytes between sites; central is no site. Payload of blocks, wanted or not. */
export interface SiteTraffic {
  readonly volunteers: number;
  readonly insideBytes: number;
  /** To and from other sites. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly fromOriginBytes: number;
}

export interface ScenarioOutcome {
  /** Until the last volunteer that stayed was done. */
  readonly seconds: number;
  /** Kumar and Ross, for volunteers that start with nothing. */
  readonly boundSeconds: number;
  /** Everything that left central, as copies of the content. */
  readonly originCopies: number;
  /** Between different sites, central's own not counted. */
  readonly acrossBytes: number;
  readonly insideBytes: number;
  readonly fromOriginBytes: number;
  readonly sites: ReadonlyMap<string, SiteTraffic>;
  readonly volunteers: readonly VolunteerOutcome[];
  readonly eventCount: number;
}

interface Participant {
  readonly host: SimHost;
  readonly bundle: SimBundle;
  readonly volunteer: ScenarioVolunteer;
  site: string;
  seconds: number | undefined;
  error: unknown;
  isSettled: boolean;
  announces: number;
}

/** Runs one bundle's way from central to its volunteers, with the real swarm and tracker. Follows from the seed alone. */
export async function runScenario(scenario: Scenario): Promise<ScenarioOutcome> {
  const run = new ScenarioRun(scenario);
  return await run.run();
}

class ScenarioRun {
  readonly #scenario: Scenario;
  readonly #clock = new VirtualClock();
  readonly #random: Random;
  readonly #hosts = new Map<string, SimHost>();
  readonly #participants = new Map<string, Participant>();
  readonly #origin: SimHost;
  readonly #tracker: SimTracker;
  readonly #traffic = new Map<string, { inside: number; up: number; down: number; origin: number }>();

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#random = seededRandom(scenario.seed);
    const { layout, origin } = scenario;
    const held = RangeSet.of({ start: 0, end: layout.totalLengthBytes });
    const peerId = "f".repeat(40);
    this.#origin = new SimHost(new SimBundle(this.#clock, layout, { held }), {
      clock: this.#clock,
      random: this.#random,
      peerId,
      host: "192.0.2.1",
      speed: origin,
      isOrigin: true,
    });
    this.#hosts.set(peerId, this.#origin);
    const known = { id: peerId, host: "192.0.2.1", port: 7382, isOrigin: true, mayHold: () => true };
    this.#tracker = new SimTracker(this.#clock, {
      random: this.#random,
      origin: known,
      locality: scenario.locality ?? "balanced",
    });
  }

  async run(): Promise<ScenarioOutcome> {
    const { volunteers, limitSeconds = 3600 } = this.#scenario;
    volunteers.forEach((volunteer, index) => {
      this.#clock.schedule((volunteer.startSeconds ?? 0) * 1000, () => this.#start(volunteer, index));
    });
    const isDone = (): boolean =>
      this.#participants.size === volunteers.length &&
      [...this.#participants.values()].every((participant) => participant.isSettled);
    this.#sample();
    let checkedSeconds = 0;
    let wasDone = false;
    // Looking at all of them after each event would cost more than the events.
    const isDoneNow = (): boolean => {
      if (this.#clock.passedSeconds - checkedSeconds < 0.05) return wasDone;
      checkedSeconds = this.#clock.passedSeconds;
      return (wasDone = isDone());
    };
    await this.#clock.runUntil(isDoneNow, limitSeconds);
    return this.#outcome();
  }

  #sample(): void {
    const { onSecond, layout, volunteers } = this.#scenario;
    if (onSecond === undefined) return;
    const all = [...this.#participants.values()];
    onSecond(this.#clock.passedSeconds, {
      originSentBytes: this.#origin.end.link.sentBytes,
      volunteersSentBytes: all.reduce((sum, { host }) => sum + host.end.link.sentBytes, 0),
      heldShare: all.reduce((sum, { bundle }) => sum + bundle.held.count, 0) / (layout.pieceCount * volunteers.length),
      doneCount: all.filter((participant) => participant.isSettled).length,
    });
    this.#clock.schedule(1000, () => this.#sample());
  }

  #start(volunteer: ScenarioVolunteer, index: number): void {
    const { layout } = this.#scenario;
    // Ids as random as real ones are: what is decided by them must not follow the order of the scenario.
    const peerId = Array.from({ length: 40 }, () => Math.floor(this.#random() * 16).toString(16)).join("");
    const bundle = new SimBundle(this.#clock, layout, {
      ...(volunteer.held === undefined ? {} : { held: volunteer.held }),
      ...(volunteer.disk === undefined ? {} : { disk: volunteer.disk }),
    });
    const { behaviour } = volunteer;
    const tamper = behaviour === "liar" ? corrupted : behaviour === "frozen" ? () => undefined : undefined;
    const site = volunteer.site ?? "";
    const host = new SimHost(bundle, {
      clock: this.#clock,
      random: this.#random,
      peerId,
      host: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
      speed: volunteer.speed,
      end: {
        ...(tamper === undefined ? {} : { tamper }),
        ...(volunteer.site === undefined ? {} : { site: volunteer.site }),
        onPayload: (from, bytes) => this.#count(site, from, bytes),
      },
    });
    const participant: Participant = {
      host,
      bundle,
      volunteer,
      site,
      seconds: undefined,
      error: undefined,
      isSettled: false,
      announces: 0,
    };
    this.#hosts.set(peerId, host);
    this.#participants.set(peerId, participant);
    this.#tell(participant, "started");
    this.#clock.schedule(volunteer.startSeconds === undefined ? KNOWN_BEFORE_MS : 0, () => this.#begin(participant));
  }

  #begin(participant: Participant): void {
    const { host, bundle, volunteer } = participant;
    const startSeconds = this.#clock.passedSeconds;
    const settle = (error: unknown): void => {
      if (participant.isSettled) return;
      participant.isSettled = true;
      participant.error = error;
      if (error !== undefined) return;
      participant.seconds = this.#clock.passedSeconds - startSeconds;
      this.#announce(participant, "completed");
    };
    this.#announce(participant);
    host.download(bundle.missing()).then(
      () => settle(undefined),
      (error: unknown) => settle(error),
    );
    if (volunteer.vanishSeconds !== undefined) {
      this.#clock.schedule(volunteer.vanishSeconds * 1000, () => host.vanish());
    }
  }

  /** Announces, and again after a while. */
  #announce(participant: Participant, event?: "completed"): void {
    const told = this.#tell(participant, event);
    if (told === undefined || event === "completed") return;
    const soonMs = SYNCING_INTERVALS_MS[participant.announces++] ?? SYNCING_INTERVALS_MS.at(-1)!;
    this.#clock.schedule(told.isComplete ? told.intervalMs : soonMs, () => this.#announce(participant));
  }

  #tell(
    participant: Participant,
    event?: "started" | "completed",
  ): { readonly intervalMs: number; readonly isComplete: boolean } | undefined {
    const { host, bundle, volunteer } = participant;
    if (!host.isUp) return undefined;
    const leftPieces = bundle.layout.pieceCount - bundle.held.count;
    const answer = this.#tracker.announce({
      id: host.peerId,
      host: host.end.host,
      site: volunteer.site,
      isReachable: volunteer.isReachable ?? true,
      uploadedBytes: host.uploadedBytes,
      downloadedBytes: host.downloadedBytes,
      border: { ...host.border },
      leftBytes: leftPieces * bundle.layout.pieceLength,
      ...(event === undefined ? {} : { event }),
    });
    host.setPeers(answer.peers, answer.news, (id) => this.#hosts.get(id));
    this.#origin.sites.note([], viewOfOrigin(answer.homes));
    return { intervalMs: answer.intervalMs, isComplete: leftPieces === 0 };
  }

  #count(site: string, fromPeerId: string, bytes: number): void {
    const from = this.#participants.get(fromPeerId);
    const here = this.#trafficOf(site);
    if (from === undefined) here.origin += bytes;
    else if (from.site === site) here.inside += bytes;
    else {
      here.down += bytes;
      this.#trafficOf(from.site).up += bytes;
    }
  }

  #trafficOf(site: string): { inside: number; up: number; down: number; origin: number } {
    let traffic = this.#traffic.get(site);
    if (traffic === undefined) this.#traffic.set(site, (traffic = { inside: 0, up: 0, down: 0, origin: 0 }));
    return traffic;
  }

  #outcome(): ScenarioOutcome {
    const { layout, origin, volunteers } = this.#scenario;
    const fileBytes = contentBytes(layout);
    const all = [...this.#participants.values()];
    const sites = new Map<string, SiteTraffic>();
    for (const [site, { inside, up, down, origin: fromOrigin }] of this.#traffic) {
      const count = all.filter((participant) => participant.site === site).length;
      sites.set(site, {
        volunteers: count,
        insideBytes: inside,
        uploadedBytes: up,
        downloadedBytes: down,
        fromOriginBytes: fromOrigin,
      });
    }
    const sumOf = (pick: (traffic: SiteTraffic) => number): number =>
      [...sites.values()].reduce((sum, traffic) => sum + pick(traffic), 0);
    return {
      seconds: Math.max(0, ...all.map((participant) => participant.seconds ?? 0)),
      boundSeconds: kumarRossSeconds({
        fileBytes,
        originUpBytesPerSecond: origin.upBytesPerSecond,
        peers: volunteers.map((volunteer) => volunteer.speed),
      }),
      originCopies: this.#origin.end.link.sentBytes / fileBytes,
      acrossBytes: sumOf((traffic) => traffic.downloadedBytes),
      insideBytes: sumOf((traffic) => traffic.insideBytes),
      fromOriginBytes: sumOf((traffic) => traffic.fromOriginBytes),
      sites,
      volunteers: all.map(({ site, seconds, error, host, bundle }) => ({
        site,
        seconds,
        error,
        mismatchCount: bundle.mismatchCount,
        receivedBytes: host.end.link.receivedBytes,
      })),
      eventCount: this.#clock.eventCount,
    };
  }
}

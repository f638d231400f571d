import type { CancelTimer, Clock, Random } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { SwarmNode } from "../net/swarm-node.ts";
import { type KnownPeer, stockPeer } from "../swarm/ports.ts";
import { NO_TASKS } from "../swarm/site-view.ts";
import type { AnnounceAnswer, AnnounceBody, AnnounceClient, AnnounceCounters } from "./announce-client.ts";
import { SyncError } from "./errors.ts";
import type { HoldingsReporter, PreparedReport } from "./holdings-report.ts";
import type { MirrorIdentity } from "./mirror-identity.ts";
import { type MirrorSituation, servesByName } from "./mirror-situation.ts";
import { retryDelayMs } from "./polling.ts";
import type { SyncLog } from "./sync-log.ts";
import { SyncingRhythm } from "./syncing-rhythm.ts";
import { ToldAnswers } from "./told-answers.ts";

export interface AnnouncerContext {
  readonly client: AnnounceClient;
  readonly swarm: SwarmNode;
  readonly holdings: HoldingsReporter;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: SyncLog;
  readonly identity: MirrorIdentity;
  /** Of HTTP and swarm together; Infinity: unknown. */
  readonly uploadCapacityBytesPerSecond: number;
  /** Read at each announce; revocations and news are written to it. */
  readonly situation: MirrorSituation;
  /** A fresh pass came. */
  readonly onPass: (pass: string) => void;
}

const FIRST_INTERVAL_MS = 60_000;
/** Until all holdings are told once central asked for them, at least, and twice that at most: many mirrors hear it after a restart. */
const ALL_WANTED_MS = 2_500;
/** Whatever central says: neither a storm of announces nor a mirror that is forgotten. */
const MIN_INTERVAL_MS = 1_000;
const MAX_INTERVAL_MS = 3_600_000;
/** So often at least everything is asked for: what was told wrongly, or by somebody else, does not stay for long. */
const WHOLE_INTERVAL_MS = 600_000;
/** A tracker that does not answer must not keep a mirror from ending. */
const FAREWELL_MS = 1_500;

/**
 * Tells the tracker what this mirror holds and does, and the swarm whom the tracker named. A tracker that can't be reached
 * costs nothing but fresh names: the swarm keeps the last ones.
 */
export class Announcer implements AsyncDisposable {
  readonly #context: AnnouncerContext;
  readonly #closing = new AbortController();
  /** The last word is to come: nobody waits any more for what there is to tell besides. */
  readonly #leaving = new AbortController();
  #cancelTimer: CancelTimer | undefined;
  #intervalMs = FIRST_INTERVAL_MS;
  #running: Promise<void> = Promise.resolve();
  #hasStarted = false;
  /** Announces in a row that got no answer. */
  #failures = 0;
  readonly #rhythm = new SyncingRhythm();
  #announcedMs = -Infinity;
  #revocation: SyncError | undefined;
  /** The last answer asked for all holdings. */
  #wasAllWanted = false;
  #told = new ToldAnswers();
  /** When everything was last asked for. */
  #wholeMs = -Infinity;
  #namedPeers: AnnounceAnswer["peers"] = [];
  #lastGiven: { readonly bytes: number; readonly atMs: number } | undefined;

  constructor(context: AnnouncerContext) {
    this.#context = context;
  }

  /** True unless the last announce got no answer. */
  get isReachable(): boolean {
    return this.#failures === 0;
  }

  /** Set while central says that this mirror is shut out. */
  get revocation(): SyncError | undefined {
    return this.#revocation;
  }

  /** Volunteers that the tracker named last, with what they hold. */
  get namedPeers(): AnnounceAnswer["peers"] {
    return this.#namedPeers;
  }

  /** Announces now and goes on by itself. Never throws: what went wrong is logged and tried again. */
  async announceNow(event?: "completed" | "stopped"): Promise<void> {
    const previous = this.#running;
    this.#running = previous.then(() => this.#announce(event));
    await this.#running;
  }

  /** Announces unless the tracker has named peers already in this run. */
  async meetPeers(): Promise<void> {
    if (!this.#hasStarted) await this.announceNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort();
    this.#cancelTimer?.();
    if (this.#hasStarted && this.isReachable) {
      await this.#atMost(this.announceNow("stopped"), FAREWELL_MS);
    }
    this.#closing.abort();
    this.#cancelTimer?.();
    await this.#running;
  }

  async #announce(event: "completed" | "stopped" | undefined): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#cancelTimer?.();
    const { client, log, holdings } = this.#context;
    try {
      this.#forgetOldAnswers();
      const report = event === "stopped" ? undefined : await this.#report(event);
      const body = this.#body(report?.report ?? holdings.farewell());
      const told = await client.announce(this.#counters(event), body, this.#closing.signal);
      const answer = this.#told.complete(told, body.known);
      this.#hasStarted = true;
      this.#revocation = undefined;
      report?.acknowledge(answer.holdingsId, answer.fullHoldingsWanted === true);
      this.#use(answer);
      this.#failures = 0;
      this.#scheduleLook(Math.min(this.#nextMs(), this.#wantedMs(answer)));
    } catch (error) {
      if (this.#closing.signal.aborted || (event !== "stopped" && this.#leaving.signal.aborted)) return;
      // What was told may be why.
      this.#told = new ToldAnswers();
      this.#revocation = error instanceof SyncError && error.code === "revoked" ? error : undefined;
      log.warn({ reason: messageOf(error) }, "tracker gave no answer, trying again");
      if (!this.#context.situation.load.isSyncing) this.#rhythm.reset();
      const delayMs = Math.min(this.#intervalMs, retryDelayMs(++this.#failures, this.#context.random));
      this.#schedule(delayMs, () => void this.announceNow());
    }
  }

  async #report(event: "completed" | undefined): Promise<PreparedReport> {
    const { holdings, situation } = this.#context;
    const isChanging = event === undefined && situation.load.isSyncing;
    const { signal } = this.#leaving;
    const before = [holdings.heldRelease, situation.load.isSyncing].join();
    const report = await holdings.next({ isChanging, signal });
    // What stands at which name is true of one release only, and is told together with its number.
    if (!servesByName(situation) || before === [holdings.heldRelease, situation.load.isSyncing].join()) return report;
    return await holdings.next({ isChanging: false, signal });
  }

  #forgetOldAnswers(): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - this.#wholeMs < WHOLE_INTERVAL_MS) return;
    this.#told = new ToldAnswers();
    this.#wholeMs = nowMs;
  }

  #nextMs(): number {
    if (this.#context.situation.load.isSyncing) return Math.min(this.#rhythm.nextMs(), this.#intervalMs);
    this.#rhythm.reset();
    return this.#intervalMs;
  }

  /** A central that began anew sends nobody here until it knows what is here; asked twice in a row it has another reason. */
  #wantedMs({ fullHoldingsWanted = false }: AnnounceAnswer): number {
    const isNews = fullHoldingsWanted && !this.#wasAllWanted;
    this.#wasAllWanted = fullHoldingsWanted;
    return isNews ? ALL_WANTED_MS * (1 + this.#context.random()) : Infinity;
  }

  #scheduleLook(delayMs: number): void {
    this.#schedule(delayMs, () => this.#look(delayMs));
  }

  /** Announces, unless there is nothing to hear yet. */
  #look(delayMs: number): void {
    const { clock, situation } = this.#context;
    const sinceMs = clock.monotonicMs() - this.#announcedMs;
    const hasTime = situation.load.isSyncing && sinceMs + delayMs <= this.#intervalMs;
    if (hasTime && this.#rhythm.mayWait(this.#connected, sinceMs)) this.#scheduleLook(delayMs);
    else void this.announceNow();
  }

  #schedule(delayMs: number, act: () => void): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#context.clock.schedule(delayMs, act);
  }

  /** Other volunteers that this one exchanges bytes with. */
  get #connected(): ReadonlySet<string> {
    const peers = this.#context.swarm
      .connections()
      .filter(({ isOrigin, isStockClient }) => !isOrigin && !isStockClient);
    return new Set(peers.map(({ peerId }) => peerId));
  }

  #counters(event: "completed" | "stopped" | undefined): AnnounceCounters {
    const { swarm, situation } = this.#context;
    const { uploadedBytes, receivedBytes } = swarm.counters;
    const told = event ?? (this.#hasStarted ? undefined : "started");
    return {
      port: swarm.port,
      uploaded: uploadedBytes,
      downloaded: receivedBytes,
      left: situation.load.bytesLeft,
      ...(told === undefined ? {} : { event: told }),
    };
  }

  #body(holdings: AnnounceBody["holdings"]): AnnounceBody {
    const { identity, situation, uploadCapacityBytesPerSecond: capacity } = this.#context;
    const { repository, site } = identity;
    const { border } = this.#context.swarm.counters;
    const { customerUrl, customersFrom, isOnlyRedirected, expectedMs, volatileQuotaBytes } = situation;
    const { isSyncing, bytesLeft, customers, customerBytesLeft } = situation.load;
    return {
      repository,
      release: this.#context.holdings.heldRelease,
      syncing: isSyncing,
      bytesLeft,
      customers,
      customerBytesLeft,
      uploadBytesPerSecond: this.#uploadRate(),
      uploadCapacityBytesPerSecond: Number.isFinite(capacity) ? Math.round(capacity) : 0,
      ...(site === undefined ? {} : { site }),
      border: { uploaded: border.uploadedBytes, downloaded: border.downloadedBytes },
      transfers: {
        customers: situation.customerBytes,
        reused: situation.obtained.reused,
        delta: situation.obtained.delta,
        peers: situation.obtained.fromPeers,
        origin: situation.obtained.fromOrigin,
      },
      ...(customerUrl === undefined || customersFrom === "none" ? {} : { url: customerUrl }),
      ...(customersFrom === "site" ? { customersFrom } : {}),
      ...(isOnlyRedirected ? { onlyRedirected: true } : {}),
      ...(servesByName(situation) ? { byName: true } : {}),
      ...(expectedMs === undefined ? {} : { expect: Math.ceil(expectedMs / 1000) }),
      ...(volatileQuotaBytes === undefined ? {} : { role: "volatile", quota: volatileQuotaBytes }),
      holdings,
      known: this.#told.known,
    };
  }

  /** Mean since the last announce. */
  #uploadRate(): number {
    const { swarm, situation, clock } = this.#context;
    const given = { bytes: swarm.counters.uploadedBytes + situation.customerBytes, atMs: clock.monotonicMs() };
    const last = this.#lastGiven;
    this.#lastGiven = given;
    if (last === undefined || given.atMs <= last.atMs) return 0;
    return Math.round(((given.bytes - last.bytes) * 1000) / (given.atMs - last.atMs));
  }

  #use(answer: AnnounceAnswer): void {
    this.#intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, answer.interval * 1000));
    if (answer.pass !== undefined) this.#context.onPass(answer.pass);
    this.#namedPeers = answer.peers;
    this.#announcedMs = this.#context.clock.monotonicMs();
    this.#rhythm.answered(new Set(answer.peers.map(({ id }) => id)), this.#connected, this.#isMoving(answer));
    const { situation, identity, swarm } = this.#context;
    if (answer.revoked !== undefined) situation.revoked = new Set(answer.revoked);
    situation.centralCustomerUrl = answer.publicUrl;
    situation.isOpen = answer.stock !== undefined;
    situation.assignment = answer.assignment ?? situation.assignment;
    const { site, neighbours = 0, border = NO_TASKS } = answer;
    const news = { site, neighbourCount: neighbours, border };
    swarm.setPeers(knownPeers(answer, new URL(identity.centralUrl).hostname), news);
    const { release = 0 } = answer;
    if (release <= situation.announcedRelease) return;
    situation.announcedRelease = release;
    situation.onNews();
  }

  /** Who fetches what at the borders of sites, central's table of holdings, and what it knows after an outage change from answer to answer. */
  #isMoving({ border = NO_TASKS, fullHoldingsWanted }: AnnounceAnswer): boolean {
    return border.homes.length > 0 || fullHoldingsWanted === true || this.#failures > 0;
  }

  async #atMost(act: Promise<void>, durationMs: number): Promise<void> {
    const waited = Promise.withResolvers<void>();
    const cancel = this.#context.clock.schedule(durationMs, waited.resolve);
    await Promise.race([act, waited.promise]);
    cancel();
  }
}

/**
 * The tracker's names as the swarm wants them. A volunteer may hold pieces of a bundle that it is just fetching, which the
 * tracker can't know yet, so none is ruled out.
 */
function knownPeers(answer: AnnounceAnswer, centralHost: string): KnownPeer[] {
  const peers: KnownPeer[] = answer.peers.map(({ id, host, port, site }) => ({
    id,
    host,
    port,
    isOrigin: false,
    mayHold: () => true,
    ...(site === undefined ? {} : { site }),
  }));
  for (const { bundle, host, port } of answer.stock ?? []) peers.push(stockPeer(bundle, host, port));
  if (answer.origin === undefined) return peers;
  const host = centralHost.replace(/^\[|\]$/g, "");
  return [...peers, { id: answer.origin.id, host, port: answer.origin.port, isOrigin: true, mayHold: () => true }];
}

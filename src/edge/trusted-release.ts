import { Updater } from "tuf-js";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { type Release, parseRelease } from "../manifest/release.ts";
import { NetError } from "../net/errors.ts";
import { HttpClient } from "../net/http-client.ts";
import { type HttpGet, TrustFetcher } from "../net/trust-fetcher.ts";
import { StoreError } from "../store/errors.ts";
import { type TrustCache, TrustStore } from "../store/trust-store.ts";
import { TrustError } from "../trust/errors.ts";
import { type Marks, checkClock, checkSameRepository, raiseMarks } from "../trust/marks.ts";
import { trustedRoots } from "../trust/root-chain.ts";
import { trustErrorOf } from "../trust/tuf-errors.ts";
import {
  type TrustedFiles,
  checkExpiry,
  checkRepository,
  observedState,
  parseTrustedFiles,
  releaseTargetOf,
} from "../trust/trusted-set.ts";
import { type ReleaseTarget, expiresMsOf, parseMetadata, sha256Hex } from "../trust/tuf-roles.ts";

export interface TrustedReleaseOptions {
  /** The mirror's state directory; trust lies in STATE/trust. The caller holds the mirror's lock. */
  readonly stateDirectory: string;
  /** Repository id and SHA-256 of 1.root.json, from the ticket. */
  readonly repository: string;
  readonly rootFingerprint: string;
  /** Of central, with or without a slash at the end. */
  readonly baseUrl: string;
  readonly clock: Clock;
  /** Default: an own {@link HttpClient}. */
  readonly fetcher?: HttpGet;
  readonly deadlineMs?: number;
  readonly minBytesPerSecond?: number;
}

export interface TrustedRelease {
  readonly release: Release;
  /** `release.json` as signed. */
  readonly bytes: Uint8Array;
}

export interface RefreshedRelease extends TrustedRelease {
  /** False if it is the release of the last accepted refresh. */
  readonly changed: boolean;
  /** When the timestamp metadata ends, milliseconds since 1970: later than that the mirror is `stale`. */
  readonly expiresMs: number;
}

export interface RefreshOptions {
  /** timestamp.json as it came with a release event: saves a request. Not trusted more than a fetched one. */
  readonly timestamp?: Uint8Array | undefined;
}

const DEADLINE_MS = 30_000;
const MIN_BYTES_PER_SECOND = 100;

/**
 * The newest release that central signed. TUF's client workflow by tuf-js, and around it what that lacks: roots kept one
 * by one and followed from the pinned one each time, an Updater that works on a copy, durable marks that nothing older
 * passes even if the cache is lost, exactly one SHA-256, the right repository, a believable clock.
 *
 * After any failure the state is as good as before: the mirror keeps its release and the next refresh may succeed.
 */
export class TrustedReleaseClient implements AsyncDisposable {
  readonly #options: TrustedReleaseOptions;
  readonly #http: HttpGet;
  readonly #ownHttp: HttpClient | undefined;
  readonly #metadataUrl: string;
  #receivedBytes = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: TrustedReleaseOptions) {
    this.#options = options;
    this.#ownHttp = options.fetcher === undefined ? new HttpClient({ maxSockets: 1 }) : undefined;
    this.#http = options.fetcher ?? this.#ownHttp!;
    this.#metadataUrl = `${options.baseUrl.replace(/\/$/, "")}/.prsync/tuf`;
  }

  /** Bytes read from sockets for metadata of trust, heads included. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /**
   * Fetches and verifies. Before this returns, the marks are on disk: nothing older will be accepted again, whatever
   * happens to this machine. Calls wait for each other.
   *
   * @throws TrustError whatever is wrong with what central serves, or `clock-behind`, `damaged-state` here
   * @throws NetError if central can't be reached or is too slow; the signal's reason
   * @throws ManifestError `bad-release`, `unknown-requirement`
   */
  async refresh(signal: AbortSignal, options: RefreshOptions = {}): Promise<RefreshedRelease> {
    const run = this.#running.then(async () => {
      if (options.timestamp === undefined) return await this.#refresh(signal, undefined);
      try {
        return await this.#refresh(signal, options.timestamp);
      } catch (error) {
        // What was pushed may be late or wrong; only what central serves now decides.
        if (!(error instanceof TrustError)) throw error;
        return await this.#refresh(signal, undefined);
      }
    });
    this.#running = run.catch(() => undefined);
    return await run;
  }

  /**
   * The last accepted release, without network and even if it has expired: what a mirror goes on serving. Undefined before
   * the first or if the file is damaged.
   *
   * @throws TrustError `damaged-state`, `wrong-repository`
   */
  async lastAccepted(): Promise<TrustedRelease | undefined> {
    const store = await TrustStore.open(this.#options.stateDirectory);
    const marks = await this.#readMarks(store);
    const { release: bytes } = await store.readCache();
    if (marks === undefined || bytes === undefined || sha256Hex(bytes) !== marks.targets.releaseSha256)
      return undefined;
    return { release: parseRelease(bytes), bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ownHttp?.[Symbol.asyncDispose]();
  }

  async #refresh(signal: AbortSignal, timestamp: Uint8Array | undefined): Promise<RefreshedRelease> {
    signal.throwIfAborted();
    const nowMs = this.#options.clock.wallMs();
    const { deadlineMs = DEADLINE_MS, minBytesPerSecond = MIN_BYTES_PER_SECOND } = this.#options;
    const fetcher = new TrustFetcher(this.#http, { deadlineMs, minBytesPerSecond, signal, timestamp });
    try {
      const store = await TrustStore.open(this.#options.stateDirectory);
      const marks = await this.#readMarks(store);
      const cache = await store.readCache();
      const files = await this.#update(store, cache, fetcher);
      return await this.#accept(files, { store, marks, cache, fetcher, nowMs });
    } catch (error) {
      throw fetcher.failure === undefined ? error : networkFailure(fetcher.failure);
    } finally {
      this.#receivedBytes += fetcher.receivedBytes;
    }
  }

  async #readMarks(store: TrustStore): Promise<Marks | undefined> {
    const marks = await store.readMarks();
    checkSameRepository(marks, this.#options);
    return marks;
  }

  /** TUF's workflow on a copy of the cache. Roots that it took are kept even if a later step fails (TUF 5.3.8). */
  async #update(store: TrustStore, cache: TrustCache, fetcher: TrustFetcher): Promise<TrustedFiles> {
    const root = await this.#newestKnownRoot(store, fetcher);
    await using scratch = await store.createScratch(root, cache);
    const read = async (role: keyof TrustedFiles): Promise<Uint8Array> => {
      return (await scratch.read(role)) ?? malformed(`expected ${role} metadata, tuf-js left none`);
    };
    try {
      const updater = new Updater({ metadataDir: scratch.path, metadataBaseUrl: this.#metadataUrl, fetcher });
      await updater.refresh();
    } catch (error) {
      throw diskErrorOf(error) ?? trustErrorOf(error);
    } finally {
      await keepRoots(store, fetcher.roots, await read("root"));
    }
    return {
      root: await read("root"),
      timestamp: await read("timestamp"),
      snapshot: await read("snapshot"),
      targets: await read("targets"),
    };
  }

  /** The end of the chain on disk, followed from the pinned root; a damaged or missing file is fetched again. */
  async #newestKnownRoot(store: TrustStore, fetcher: TrustFetcher): Promise<Uint8Array> {
    const files = await store.readRoots();
    const isPinned = files[0] !== undefined && sha256Hex(files[0]) === this.#options.rootFingerprint;
    const chain = isPinned ? trustedRoots(files) : [];
    const newest = chain.at(-1);
    await store.dropRootsAbove(chain.length);
    if (newest !== undefined) return newest.bytes;
    const first = await this.#fetchPinnedRoot(fetcher);
    await store.writeRoot(1, first);
    return first;
  }

  async #fetchPinnedRoot(fetcher: TrustFetcher): Promise<Uint8Array> {
    const bytes = await fetcher.fetchFile(`${this.#metadataUrl}/1.root.json`, { maxBytes: 512_000 });
    const { rootFingerprint, repository } = this.#options;
    const found = sha256Hex(bytes);
    if (found !== rootFingerprint) {
      throw new TrustError("wrong-root", `1.root.json: expected SHA-256 ${rootFingerprint}, got ${found}`);
    }
    checkRepository(parseMetadata("root", bytes), repository);
    return bytes;
  }

  /** Everything tuf-js does not check; then cache and marks are written, in this order, and the release is handed out. */
  async #accept(files: TrustedFiles, run: RefreshRun): Promise<RefreshedRelease> {
    const set = parseTrustedFiles(files);
    checkExpiry(set, run.nowMs);
    checkRepository(set.root, this.#options.repository);
    const target = releaseTargetOf(set.targets);
    const bytes = await this.#releaseBytes(target, run);
    const release = parseRelease(bytes);
    if (release.repository !== this.#options.repository) {
      const problem = `release.json: expected repository ${this.#options.repository}, got ${release.repository}`;
      throw new TrustError("wrong-repository", problem);
    }
    const observed = observedState(set, this.#options, { number: release.number, sha256: target.sha256 });
    const marks = raiseMarks(run.marks, observed);
    checkClock(marks, run.nowMs);
    const { timestamp, snapshot, targets } = files;
    await run.store.writeCache({ timestamp, snapshot, targets, release: bytes }, run.cache);
    await run.store.writeMarks(marks);
    const changed = run.marks?.targets.releaseSha256 !== target.sha256;
    return { release, bytes, changed, expiresMs: expiresMsOf(set.timestamp) };
  }

  async #releaseBytes(target: ReleaseTarget, { cache, fetcher }: RefreshRun): Promise<Uint8Array> {
    if (cache.release !== undefined && sha256Hex(cache.release) === target.sha256) return cache.release;
    const url = `${this.#metadataUrl}/targets/${target.sha256}.release.json`;
    const bytes = await fetcher.fetchFile(url, { maxBytes: target.lengthBytes });
    const found = sha256Hex(bytes);
    if (bytes.length === target.lengthBytes && found === target.sha256) return bytes;
    const problem = `expected ${target.lengthBytes} bytes with SHA-256 ${target.sha256}, got ${bytes.length} with ${found}`;
    throw new TrustError("inconsistent", `release.json: ${problem}`);
  }
}

interface RefreshRun {
  readonly store: TrustStore;
  readonly marks: Marks | undefined;
  readonly cache: TrustCache;
  readonly fetcher: TrustFetcher;
  readonly nowMs: number;
}

/** Writes the fetched roots up to the one that tuf-js ended at; those above it were refused. */
async function keepRoots(
  store: TrustStore,
  fetched: ReadonlyMap<number, Uint8Array>,
  newest: Uint8Array,
): Promise<void> {
  const newestVersion = parseMetadata("root", newest).signed.version;
  for (const [version, bytes] of fetched) {
    if (version <= newestVersion) await store.writeRoot(version, bytes);
  }
}

/** Too many bytes is nothing a retry heals: central, or whoever answers for it, serves something else. */
function networkFailure(failure: unknown): unknown {
  if (!(failure instanceof NetError) || failure.code !== "too-large") return failure;
  return new TrustError("malformed", `central's metadata is refused: ${failure.message}`, { cause: failure });
}

/** tuf-js hides a full disk in the same texts as a wrong signature. */
function diskErrorOf(error: unknown): StoreError | undefined {
  const problem = messageOf(error);
  if (!problem.includes("Failed to persist metadata")) return undefined;
  const code = /ENOSPC|EDQUOT|system error -122\b/.test(problem) ? "disk-full" : "disk-failed";
  return new StoreError(code, problem, { cause: error });
}

function malformed(problem: string): never {
  throw new TrustError("malformed", problem);
}

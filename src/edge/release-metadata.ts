import { RangeSet } from "../core/byte-range.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import type { Release } from "../manifest/release.ts";
import type { SwarmNode } from "../net/swarm-node.ts";
import { fatalDiskError } from "../store/errors.ts";
import type { MetadataStore } from "../store/metadata-store.ts";
import type { CentralClient } from "./central-client.ts";
import { SyncError } from "./errors.ts";
import { MetadataBundle, type MetadataPiece, type MetadataRange } from "./metadata-bundle.ts";
import type { SyncLog } from "./sync-log.ts";

/** From so many bytes of one release on metadata comes from the swarm; below, a request to central is done sooner. */
export const SWARM_METADATA_BYTES: number = 256 * 1024;

const HTTP_RANGE_BYTES = 1024 * 1024;

/** The part of the swarm that metadata needs. */
export type MetadataSwarm = Pick<SwarmNode, "download" | "announceHave" | "dropBundle">;

export interface ReleaseMetadataContext {
  readonly store: MetadataStore;
  readonly central: CentralClient;
  /** Asked for when it is needed: the swarm itself finds its bundles here. */
  readonly swarm: () => MetadataSwarm;
  /** Called before something is fetched from the swarm: the tracker must have named peers by then. */
  readonly meetPeers: () => Promise<void>;
  readonly log: SyncLog;
}

/**
 * The metadata bundles of the newest three releases as this mirror has them: fetches the pieces that somebody needs and
 * keeps them for others. What is not here any more comes from central over HTTP, object by object.
 */
export class ReleaseMetadata implements AsyncDisposable {
  readonly #context: ReleaseMetadataContext;
  #rows: readonly MetadataBundleRow[] = [];
  /** By info hash; undefined where no info dictionary was kept. */
  readonly #bundles = new Map<string, Promise<MetadataBundle | undefined>>();
  /** Fetches of one bundle follow each other: the swarm runs one download per bundle. */
  #fetching: Promise<unknown> = Promise.resolve();

  constructor(context: ReleaseMetadataContext) {
    this.#context = context;
  }

  /** Newest first. */
  get rows(): readonly MetadataBundleRow[] {
    return this.#rows;
  }

  /** From now on these are the newest three; what is older goes. */
  async follow(release: Release): Promise<void> {
    this.#rows = release.metadata;
    const listed = new Set(release.metadata.map(({ infoHash }) => infoHash));
    for (const [infoHash, loading] of [...this.#bundles]) {
      if (listed.has(infoHash)) continue;
      this.#bundles.delete(infoHash);
      this.#context.swarm().dropBundle(infoHash);
      await (await loading)?.[Symbol.asyncDispose]();
    }
    await this.#context.store.keepOnly(listed);
  }

  /** A bundle of which something may be held; for the swarm. */
  async bundle(infoHash: string): Promise<MetadataBundle | undefined> {
    const row = this.#rows.find((one) => one.infoHash === infoHash);
    if (row === undefined) return undefined;
    const loading = this.#bundles.get(infoHash) ?? this.#recall(row);
    this.#bundles.set(infoHash, loading);
    return await loading;
  }

  /** Bundles whose info dictionary is here, newest first. */
  async known(): Promise<readonly MetadataBundle[]> {
    const bundles: MetadataBundle[] = [];
    for (const { infoHash } of this.#rows) {
      const bundle = await this.bundle(infoHash);
      if (bundle !== undefined) bundles.push(bundle);
    }
    return bundles;
  }

  /** The bundle of a release, its info dictionary fetched if need be; undefined if it is none of the newest three. */
  async ofRelease(release: number, signal: AbortSignal): Promise<MetadataBundle | undefined> {
    const row = this.#rows.find((one) => one.release === release);
    return row === undefined ? undefined : await this.#open(row, signal);
  }

  /** All three, their info dictionaries fetched if need be. */
  async all(signal: AbortSignal): Promise<readonly MetadataBundle[]> {
    return await Promise.all(this.#rows.map((row) => this.#open(row, signal)));
  }

  /**
   * Makes the pieces of these ranges held: from the swarm, and over HTTP what it can't give.
   * @throws SyncError, NetError if neither has them; the signal's reason
   */
  async fetch(bundle: MetadataBundle, ranges: readonly MetadataRange[], signal: AbortSignal): Promise<void> {
    const fetched = this.#fetching.then(() => this.#fetch(bundle, ranges, signal));
    this.#fetching = fetched.catch(() => undefined);
    await fetched;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fetching;
    for (const loading of this.#bundles.values()) await (await loading)?.[Symbol.asyncDispose]();
    this.#bundles.clear();
  }

  async #recall(row: MetadataBundleRow): Promise<MetadataBundle | undefined> {
    const info = await this.#context.store.info(row.infoHash);
    if (info === undefined) return undefined;
    try {
      return await MetadataBundle.load(row, info, this.#context.store);
    } catch (error) {
      if (!(error instanceof PrsyncError)) throw error;
      this.#context.log.warn({ release: row.release, reason: messageOf(error) }, "kept metadata is damaged");
      return undefined;
    }
  }

  async #open(row: MetadataBundleRow, signal: AbortSignal): Promise<MetadataBundle> {
    const known = await this.bundle(row.infoHash);
    if (known !== undefined) return known;
    const info = await this.#context.central.infoDictionary(row.infoHash, signal);
    const bundle = await MetadataBundle.load(row, info, this.#context.store);
    await this.#context.store.putInfo(row.infoHash, info);
    this.#bundles.set(row.infoHash, Promise.resolve(bundle));
    return bundle;
  }

  async #fetch(bundle: MetadataBundle, ranges: readonly MetadataRange[], signal: AbortSignal): Promise<void> {
    const missing = missingPieces(bundle, ranges);
    if (missing.length === 0) return;
    await this.#context.meetPeers();
    try {
      await this.#fetchFromSwarm(bundle, missing, signal);
    } finally {
      await bundle.saveHeld();
    }
  }

  async #fetchFromSwarm(bundle: MetadataBundle, pieces: readonly MetadataPiece[], signal: AbortSignal): Promise<void> {
    const wanted = new Map(pieces.map(({ piece, start, end }) => [piece, RangeSet.of({ start: 0, end: end - start })]));
    try {
      await this.#context.swarm().download(bundle, wanted, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PrsyncError) || fatalDiskError(error, "") !== undefined) throw error;
      this.#context.log.warn(
        { bundle: bundle.number, reason: messageOf(error) },
        "the swarm has no source of metadata, asking central over HTTP",
      );
      const rest = pieces.filter(({ piece }) => !bundle.held.has(piece));
      for (const run of runsOf(rest)) await this.#fetchOverHttp(bundle, run, signal);
    }
  }

  /** @param run neighbouring pieces of one file */
  async #fetchOverHttp(bundle: MetadataBundle, run: readonly MetadataPiece[], signal: AbortSignal): Promise<void> {
    const [first, last] = [run[0]!, run.at(-1)!];
    const path: RepoPath = bundle.pathOf(first.ordinal);
    const range = { start: first.start, end: last.end };
    const bytes = await this.#context.central.metadataRange(bundle.infoHash, path, { range, signal });
    for (const { piece, start, end } of run) {
      await bundle.writeBlock(piece, 0, bytes.subarray(start - range.start, end - range.start));
      if ((await bundle.completePiece(piece)) === "mismatch") {
        throw new SyncError(
          "wrong-bytes",
          `piece ${piece} of metadata bundle ${bundle.number} is wrong even from central`,
        );
      }
      if (bundle.held.set(piece)) this.#context.swarm().announceHave(bundle.infoHash, piece);
    }
  }
}

function missingPieces(bundle: MetadataBundle, ranges: readonly MetadataRange[]): MetadataPiece[] {
  const missing = new Map<number, MetadataPiece>();
  for (const range of ranges) {
    for (const piece of bundle.piecesOf(range)) if (!bundle.held.has(piece.piece)) missing.set(piece.piece, piece);
  }
  return [...missing.values()].sort((a, b) => a.piece - b.piece);
}

/** Neighbours of one file go into one request, up to {@link HTTP_RANGE_BYTES}. */
function runsOf(pieces: readonly MetadataPiece[]): MetadataPiece[][] {
  const runs: MetadataPiece[][] = [];
  for (const piece of pieces) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const isNext = last?.ordinal === piece.ordinal && last.end === piece.start;
    if (run !== undefined && isNext && piece.end - run[0]!.start <= HTTP_RANGE_BYTES) run.push(piece);
    else runs.push([piece]);
  }
  return runs;
}

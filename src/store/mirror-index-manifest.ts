import { hash } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { zstdDecompressSync } from "node:zlib";
import type { ContentId } from "../core/content-id.ts";
import { parseRepoPath, type RepoPath, repoPathBytes } from "../core/repo-path.ts";
import { diffEntryPairs } from "./entry-pairs.ts";
import { parseChunk } from "../manifest/chunk.ts";
import { encodeEntry, parseEntry } from "../manifest/entry-line.ts";
import type { Entry, EntryPair } from "../manifest/entry.ts";
import { type ChunkRef, encodeIndex, MAX_CHUNK_BYTES, parseIndex } from "../manifest/manifest-index.ts";
import { StoreError } from "./errors.ts";
import { PathRows } from "./path-rows.ts";
import type { FactRecords } from "./mirror-index-facts.ts";

/** A manifest by its index. */
export interface ManifestVersion {
  readonly release: number;
  /** SHA-256 of the manifest index, hex. */
  readonly index: string;
  readonly refs: readonly ChunkRef[];
}

const SLOT = { held: 0, next: 1 } as const;
type Slot = keyof typeof SLOT;
const ROWS_PER_TURN = 5_000;
/** About 7 MB. */
const MAX_REMEMBERED_PAIRS = 10_000;

/**
 * Tables `chunks`, `chunk_refs`, `entries`: the manifest of the held (activated) release, and the one of the release
 * on its way, so that an interrupted sync goes on without fetching it again.
 */
export class ManifestRecords {
  readonly #database: DatabaseSync;
  readonly #facts: FactRecords;
  readonly #putEntry: StatementSync;
  readonly #removeEntry: StatementSync;
  readonly #getEntry: StatementSync;
  readonly #getFirst: StatementSync;
  readonly #getChunk: StatementSync;
  readonly #putChunk: StatementSync;
  /** Thousands of lines to parse, asked for all over a sync. */
  readonly #versions = new Map<Slot, ManifestVersion>();
  #remembered: { readonly between: string; readonly pairs: readonly EntryPair[] } | undefined;

  constructor(database: DatabaseSync, facts: FactRecords) {
    this.#database = database;
    this.#facts = facts;
    this.#putEntry = database.prepare("INSERT OR REPLACE INTO entries(path, line, content, size) VALUES (?, ?, ?, ?)");
    this.#removeEntry = database.prepare("DELETE FROM entries WHERE path = ?");
    this.#getEntry = database.prepare("SELECT line FROM entries WHERE path = ?");
    this.#getFirst = database.prepare("SELECT line FROM entries WHERE path >= ? AND path < ? ORDER BY path LIMIT 1");
    this.#getChunk = database.prepare("SELECT frame FROM chunks WHERE sha256 = ?");
    this.#putChunk = database.prepare("INSERT OR IGNORE INTO chunks(sha256, frame) VALUES (?, ?)");
  }

  /** The activated release; undefined before the first. */
  held(): ManifestVersion | undefined {
    return this.#version("held", this.#facts.get("heldRelease"), this.#facts.get("heldIndex"));
  }

  /** The release on its way; undefined if there is none. */
  next(): ManifestVersion | undefined {
    return this.#version("next", this.#facts.get("nextRelease"), this.#facts.get("nextIndex"));
  }

  hasChunk(sha256: string): boolean {
    return this.#getChunk.get(Buffer.from(sha256, "hex")) !== undefined;
  }

  /** @param frame zstd frame of a chunk whose plain bytes were checked against `sha256` */
  putChunk(sha256: string, frame: Uint8Array): void {
    this.#putChunk.run(Buffer.from(sha256, "hex"), frame);
  }

  /** Entries of a stored chunk. @throws StoreError `index-damaged` if it is missing or its bytes are not its own */
  loadChunk(sha256: string): Entry[] {
    const row = this.#getChunk.get(Buffer.from(sha256, "hex"));
    if (row === undefined) throw new StoreError("index-damaged", `index lacks manifest chunk ${sha256}`);
    const bytes = inflate(row.frame as Uint8Array, sha256);
    if (hash("sha256", bytes, "hex") === sha256) return parseChunk(bytes);
    throw new StoreError("index-damaged", `manifest chunk ${sha256} in the index is damaged`);
  }

  /** See {@link MirrorIndex.setNextRelease}, which makes it one transaction. */
  setNext(version: ManifestVersion, pairs: readonly EntryPair[] | undefined): void {
    this.#writeRefs("next", version.refs);
    this.#facts.set("nextRelease", version.release);
    this.#facts.set("nextIndex", version.index);
    if (pairs !== undefined) this.#remember(betweenOf(this.held(), version), pairs);
  }

  /**
   * What differs between the held release and the next, in path order; reads only chunks that differ. As long as it is little it is
   * remembered: a sync asks when it plans and when it is done.
   */
  *changes(): Generator<EntryPair> {
    const [held, next] = [this.held(), this.next()];
    const between = betweenOf(held, next);
    if (this.#remembered?.between === between) return yield* this.#remembered.pairs;
    const pairs: EntryPair[] = [];
    const load = (ref: ChunkRef): Entry[] => this.loadChunk(ref.sha256);
    for (const pair of diffEntryPairs(held?.refs ?? [], next?.refs ?? [], load)) {
      if (pairs.length <= MAX_REMEMBERED_PAIRS) pairs.push(pair);
      yield pair;
    }
    this.#remember(between, pairs);
  }

  /** {@link changes}, if they are few and were asked for. */
  fewChanges(): readonly EntryPair[] | undefined {
    return this.#remembered?.between === betweenOf(this.held(), this.next()) ? this.#remembered.pairs : undefined;
  }

  #remember(between: string, pairs: readonly EntryPair[]): void {
    this.#remembered = pairs.length <= MAX_REMEMBERED_PAIRS ? { between, pairs } : undefined;
  }

  /** See {@link MirrorIndex.commitRelease}, which makes it one transaction. */
  async applyNext(): Promise<void> {
    const next = this.next();
    if (next === undefined) throw new TypeError("no release is on its way");
    let rows = 0;
    for (const { path, after } of this.changes()) {
      if (after === undefined) this.#removeEntry.run(repoPathBytes(path));
      else this.#put(after);
      if (++rows % ROWS_PER_TURN === 0) await setImmediate();
    }
    this.#writeRefs("held", next.refs);
    this.#writeRefs("next", []);
    this.#facts.set("heldRelease", next.release);
    this.#facts.set("heldIndex", next.index);
    this.#remembered = undefined;
    this.#facts.forget("nextRelease");
    this.#facts.forget("nextIndex");
    this.#database.exec("DELETE FROM chunks WHERE sha256 NOT IN (SELECT sha256 FROM chunk_refs)");
  }

  /** Exact look-up in the held release. */
  entry(path: RepoPath): Entry | undefined {
    const row = this.#getEntry.get(repoPathBytes(path));
    return row === undefined ? undefined : parseEntry(row.line as string);
  }

  /** The first entry of the held release from a place in path order on and before another, both any byte strings. */
  firstBetween(from: string, end: string): Entry | undefined {
    const row = this.#getFirst.get(Buffer.from(from, "latin1"), Buffer.from(end, "latin1"));
    return row === undefined ? undefined : parseEntry(row.line as string);
  }

  /**
   * Whether the next files of the held release, in path order, are recorded as verified with its content.
   * @param after where the step before ended; undefined: the first step
   * @returns `end` of this step; undefined: it was the last
   */
  verifiedFilesAfter(
    after: RepoPath | undefined,
    limit: number,
  ): { readonly areVerified: boolean; readonly end: RepoPath | undefined } {
    const row = this.#database
      .prepare(
        `SELECT count(*) AS n, count(held) AS held, max(path) AS last FROM (SELECT e.path AS path,
        (SELECT 1 FROM files AS f WHERE f.path = e.path AND f.content = e.content AND f.verified = 1) AS held
        FROM entries AS e WHERE e.path > ? AND e.content IS NOT NULL ORDER BY e.path LIMIT ?)`,
      )
      .get(repoPathBytes(after ?? ("" as RepoPath)), limit)!;
    const end = row.n === limit ? parseRepoPath(row.last as Uint8Array) : undefined;
    return { areVerified: row.held === row.n, end };
  }

  /** All entries of the held release in path order; others may write meanwhile. */
  rows(): PathRows<Entry> {
    const page = this.#database.prepare("SELECT line FROM entries WHERE path > ? ORDER BY path LIMIT ?");
    return new PathRows((after, limit) =>
      page.all(repoPathBytes(after ?? ("" as RepoPath)), limit).map((row) => {
        const entry = parseEntry(row.line as string);
        return { path: entry.path, value: entry };
      }),
    );
  }

  /** Entries of the held release in path order: all, or those below a directory. Finish before the next write. */
  *entries(below?: RepoPath): Generator<Entry> {
    // "0" follows "/" in the order of bytes.
    const [first, end] = below === undefined ? ["", "\xff".repeat(256)] : [`${below}/`, `${below}0`];
    const query = "SELECT line FROM entries WHERE path >= ? AND path < ? ORDER BY path";
    const rows = this.#database.prepare(query).iterate(Buffer.from(first, "latin1"), Buffer.from(end, "latin1"));
    for (const row of rows) yield parseEntry(row.line as string);
  }

  /**
   * Entries right in a directory (undefined: the top) of the held release, in path order. Passes over what lies deeper: costs
   * what the directory itself holds, not what lies below it.
   *
   * @param after only those behind this child
   */
  *children(directory: RepoPath | undefined, after?: RepoPath): Generator<Entry> {
    const prefix = directory === undefined ? "" : `${directory}/`;
    const end = directory === undefined ? "\xff".repeat(256) : `${directory}0`;
    for (let from = after === undefined ? prefix : `${after}\0`; ;) {
      const entry = this.firstBetween(from, end);
      if (entry === undefined) return;
      const slash = entry.path.indexOf("/", prefix.length);
      if (slash < 0) yield entry;
      // The next path after this one, or after all that lies below the same child.
      from = slash < 0 ? `${entry.path}\0` : `${entry.path.slice(0, slash)}0`;
    }
  }

  /** Entries of the held release with a content, at most `limit`. */
  entriesWith(content: ContentId, limit = 16): Entry[] {
    const query = "SELECT line FROM entries WHERE content = ? LIMIT ?";
    const rows = this.#database.prepare(query).all(Buffer.from(content, "hex"), limit);
    return rows.map((row) => parseEntry(row.line as string));
  }

  /** Every content of the held release once, with its length; empty files have none. */
  *contents(): Generator<{ readonly content: ContentId; readonly lengthBytes: number }> {
    const query =
      "SELECT lower(hex(content)) AS content, max(size) AS size FROM entries WHERE size > 0 GROUP BY content";
    for (const row of this.#database.prepare(query).iterate()) {
      yield { content: row.content as ContentId, lengthBytes: Number(row.size) };
    }
  }

  /** Regular files of the held release. */
  fileCount(): number {
    return Number(this.#database.prepare("SELECT count(*) AS n FROM entries WHERE content IS NOT NULL").get()!.n);
  }

  /** Entries of the held release. */
  entryCount(): number {
    return this.held()?.refs.reduce((sum, ref) => sum + ref.entryCount, 0) ?? 0;
  }

  #put(entry: Entry): void {
    const isFile = entry.kind === "file";
    const content = isFile ? Buffer.from(entry.content, "hex") : null;
    this.#putEntry.run(repoPathBytes(entry.path), encodeEntry(entry), content, isFile ? entry.size : null);
  }

  #version(slot: Slot, release: number | undefined, index: string | undefined): ManifestVersion | undefined {
    if (release === undefined || index === undefined) return undefined;
    const known = this.#versions.get(slot);
    if (known?.release === release && known.index === index) return known;
    const query = "SELECT line FROM chunk_refs WHERE slot = ? ORDER BY position";
    const lines = this.#database
      .prepare(query)
      .all(SLOT[slot])
      .map((row) => row.line as string);
    const bytes = Buffer.from(lines.join(""));
    if (hash("sha256", bytes, "hex") !== index) {
      throw new StoreError("index-damaged", `manifest index of release ${release} in the index is damaged`);
    }
    const version = { release, index, refs: parseIndex(bytes) };
    this.#versions.set(slot, version);
    return version;
  }

  #writeRefs(slot: Slot, refs: readonly ChunkRef[]): void {
    this.#database.prepare("DELETE FROM chunk_refs WHERE slot = ?").run(SLOT[slot]);
    const insert = this.#database.prepare("INSERT INTO chunk_refs(slot, position, sha256, line) VALUES (?, ?, ?, ?)");
    refs.forEach((ref, position) => {
      const line = Buffer.from(encodeIndex([ref])).toString();
      insert.run(SLOT[slot], position, Buffer.from(ref.sha256, "hex"), line);
    });
  }
}

function betweenOf(held: ManifestVersion | undefined, next: ManifestVersion | undefined): string {
  return `${held?.index} ${next?.index}`;
}

function inflate(frame: Uint8Array, sha256: string): Uint8Array {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: MAX_CHUNK_BYTES });
  } catch (error) {
    throw new StoreError("index-damaged", `manifest chunk ${sha256} in the index is damaged`, { cause: error });
  }
}

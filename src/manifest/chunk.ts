import { hash } from "node:crypto";
import { joinJsonLines, splitJsonLines } from "../codec/canonical-json.ts";
import { displayPath, repoPathBytes, type RepoPath } from "../core/repo-path.ts";
import { encodeEntry, parseEntry } from "./entry-line.ts";
import type { Entry } from "./entry.ts";
import { ManifestError, refusing } from "./errors.ts";
import { MAX_CHUNK_BYTES, MAX_CHUNK_ENTRIES, type ChunkRef } from "./manifest-index.ts";
import { objectRefOf, verifyObject } from "./object-ref.ts";
import { TreeOrderChecker, checkTreeOrder } from "./tree-order.ts";

/** Fewest entries of a chunk that is not the last. */
export const MIN_CHUNK_ENTRIES = 250;
/** One path in so many may end a chunk: chunks have 1,000 entries on average, about 200 kB. */
const CUT_DIVISOR = 750;

/** A chunk with its line for the index. */
export interface EncodedChunk {
  readonly ref: ChunkRef;
  /** Uncompressed. */
  readonly bytes: Uint8Array;
}

/**
 * Cuts a manifest into chunks (docs/protocol.md, "Manifest chunk"); holds one chunk at a time.
 *
 * @param entries in path order
 * @throws ManifestError `bad-order`, `path-conflict`; `bad-chunk` if entries are absurdly long
 */
export function* cutChunks(entries: Iterable<Entry>): Generator<EncodedChunk> {
  const cutter = new ChunkCutter();
  for (const entry of checkTreeOrder(entries)) {
    const chunk = cutter.add(entry);
    if (chunk !== undefined) yield chunk;
  }
  const last = cutter.finish();
  if (last !== undefined) yield last;
}

/** Gathers entries up to the next cut. Where it cuts depends on the entries since the last cut alone. */
export class ChunkCutter {
  #lines: string[] = [];
  #firstPath: RepoPath | undefined;

  /** True right after a cut: what follows is cut as if the manifest began here. */
  get isAtCut(): boolean {
    return this.#lines.length === 0;
  }

  /** The chunk that ends with this entry, if one does. */
  add(entry: Entry): EncodedChunk | undefined {
    this.#firstPath ??= entry.path;
    this.#lines.push(encodeEntry(entry));
    const count = this.#lines.length;
    const isCut = count >= MAX_CHUNK_ENTRIES || (count >= MIN_CHUNK_ENTRIES && isCutPath(entry.path));
    return isCut ? this.finish() : undefined;
  }

  /** The chunk of what is left, if anything is. */
  finish(): EncodedChunk | undefined {
    if (this.#firstPath === undefined) return undefined;
    const bytes = joinJsonLines(this.#lines);
    if (bytes.length > MAX_CHUNK_BYTES) {
      const problem = `the chunk from "${displayPath(this.#firstPath)}" on has ${bytes.length} bytes`;
      throw new ManifestError("bad-chunk", `${problem}, at most ${MAX_CHUNK_BYTES} are allowed`);
    }
    const ref = { ...objectRefOf(bytes), firstPath: this.#firstPath, entryCount: this.#lines.length };
    this.#lines = [];
    this.#firstPath = undefined;
    return { ref, bytes };
  }
}

function isCutPath(path: RepoPath): boolean {
  const digest = hash("sha256", repoPathBytes(path), "buffer");
  return digest.readUInt32BE(0) % CUT_DIVISOR === 0;
}

/**
 * The entries of a chunk, in order. Does not look at its hash or its neighbours: {@link ManifestVerifier} does.
 *
 * @throws ManifestError `bad-chunk`, `bad-entry`, `bad-order`, `path-conflict`
 */
export function parseChunk(bytes: Uint8Array): Entry[] {
  return refusing("bad-chunk", "manifest chunk", () => {
    const checker = new TreeOrderChecker();
    const entries: Entry[] = [];
    for (const line of splitJsonLines(bytes)) {
      if (entries.length === MAX_CHUNK_ENTRIES) {
        throw new ManifestError("bad-chunk", `manifest chunk: expected at most ${MAX_CHUNK_ENTRIES} entries, got more`);
      }
      const entry = parseEntry(line);
      checker.accept(entry);
      entries.push(entry);
    }
    if (entries.length === 0) throw new ManifestError("bad-chunk", "manifest chunk: expected entries, got none");
    return entries;
  });
}

/** Checks the chunks of one manifest, given in the order of its index, against index and each other. */
export class ManifestVerifier {
  readonly #order = new TreeOrderChecker();

  /**
   * @param bytes uncompressed
   * @throws ManifestError `hash-mismatch`, `bad-chunk`, `bad-entry`, `bad-order`, `path-conflict`
   */
  accept(ref: ChunkRef, bytes: Uint8Array): Entry[] {
    verifyObject(ref, bytes);
    const entries = parseChunk(bytes);
    this.acceptEntries(ref, entries);
    return entries;
  }

  /**
   * @param entries of a chunk whose bytes were checked and parsed
   * @throws ManifestError `bad-chunk`, `bad-order`, `path-conflict`
   */
  acceptEntries(ref: ChunkRef, entries: readonly Entry[]): void {
    if (entries[0]!.path !== ref.firstPath || entries.length !== ref.entryCount) {
      throw new ManifestError("bad-chunk", `manifest chunk ${ref.sha256}: first path or count differ from the index`);
    }
    for (const entry of entries) this.#order.accept(entry);
  }
}

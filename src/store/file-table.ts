import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { IndexedPlace } from "./publish-index-contents.ts";

/** What a redirect needs to know of a file. */
export interface TabledFile {
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly mtimeNs: bigint;
  /** Undefined if its content lies in no bundle. */
  readonly place: IndexedPlace | undefined;
}

/** Columns of a {@link FileTable}, row by row. Plain memory that moves between threads. */
export interface FileColumns {
  readonly release: number;
  /** So that nobody can choose names that fall together. */
  readonly seed: number;
  /** Row + 1 of what hashes here, or the next free one behind; 0: none. A power of two, at most three quarters of them taken. */
  readonly slots: Uint32Array<ArrayBuffer>;
  /** 64 bits of each path. */
  readonly keys: Uint32Array<ArrayBuffer>;
  /** 32 bytes each. */
  readonly digests: Uint8Array<ArrayBuffer>;
  /** NaN: two paths have one key, or the time is beyond 2262, and the index must be asked. */
  readonly lengths: Float64Array<ArrayBuffer>;
  readonly mtimes: BigInt64Array<ArrayBuffer>;
  /** Bundle, ordinal, and since which release. */
  readonly places: Uint32Array<ArrayBuffer>;
}

/** More take too much memory: 76 bytes per file, and 5 to 11 to find it. */
export const MAX_TABLED_FILES = 4_000_000;

const DIGEST_BYTES = 32;
/** No bundle has this number, no release neither. */
const NONE = 0xffff_ffff;

/**
 * All files of one release by path, for exact look-ups without the disk: at most 87 bytes per file, 184 MB for 2.2 million. Of the path
 * itself only a keyed hash of 64 bits is kept. Paths of the release that share one are told apart when the table is made, and not answered
 * here; that a path which is not in the release is taken for one that is has odds of 1 to 2^64 a request, and then a customer is sent to
 * a volunteer for a name that nobody published.
 */
export class FileTable {
  readonly columns: FileColumns;
  readonly #key: PathKey;
  readonly #digests: Buffer;

  constructor(columns: FileColumns) {
    this.columns = columns;
    this.#key = new PathKey(columns.seed);
    const { buffer, byteOffset, byteLength } = columns.digests;
    this.#digests = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** Number of the release that it shows. */
  get release(): number {
    return this.columns.release;
  }

  /**
   * @param text ends with the path; @param start where that begins
   * @returns undefined if it is no file of the release, or one of which only the index tells
   */
  find(text: string, start = 0): TabledFile | undefined {
    const key = this.#key;
    key.take(text, start);
    const at = rowOf(this.columns, key);
    return at === undefined || Number.isNaN(this.columns.lengths[at]) ? undefined : this.#fileAt(at);
  }

  #fileAt(row: number): TabledFile {
    const { lengths, mtimes, places } = this.columns;
    const bundle = places[3 * row]!;
    const since = places[3 * row + 2]!;
    return {
      content: this.#digests.toString("hex", DIGEST_BYTES * row, DIGEST_BYTES * (row + 1)) as ContentId,
      lengthBytes: lengths[row]!,
      mtimeNs: mtimes[row]!,
      place:
        bundle === NONE
          ? undefined
          : { bundle, ordinal: places[3 * row + 1]!, sinceRelease: since === NONE ? Infinity : since },
    };
  }
}

/** A file of the release as it goes into a table. */
export interface TableRow {
  readonly path: RepoPath;
  readonly lengthBytes: number;
  readonly mtimeNs: bigint;
  /** SHA-256. */
  readonly digest: Uint8Array;
  readonly place: IndexedPlace | undefined;
}

/** Makes a table of at most so many files. */
export class FileTableWriter {
  readonly #columns: FileColumns;
  readonly #key: PathKey;
  #rows = 0;

  constructor({ release, seed, files }: { readonly release: number; readonly seed: number; readonly files: number }) {
    this.#key = new PathKey(seed);
    this.#columns = {
      release,
      seed,
      slots: new Uint32Array(2 ** Math.ceil(Math.log2((4 * Math.max(1, files)) / 3))),
      keys: new Uint32Array(2 * files),
      digests: new Uint8Array(DIGEST_BYTES * files),
      lengths: new Float64Array(files),
      mtimes: new BigInt64Array(files),
      places: new Uint32Array(3 * files),
    };
  }

  add({ path, lengthBytes, mtimeNs, digest, place }: TableRow): void {
    const { slots, keys, digests, lengths, mtimes, places } = this.#columns;
    const key = this.#key;
    key.take(path, 0);
    const known = rowOf(this.#columns, key);
    if (known !== undefined) {
      lengths[known] = NaN;
      return;
    }
    const row = this.#rows++;
    let slot = key.low & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = row + 1;
    keys[2 * row] = key.low;
    keys[2 * row + 1] = key.high;
    digests.set(digest, DIGEST_BYTES * row);
    lengths[row] = BigInt.asIntN(64, mtimeNs) === mtimeNs ? lengthBytes : NaN;
    mtimes[row] = mtimeNs;
    const { bundle = NONE, ordinal = 0, sinceRelease = 0 } = place ?? {};
    places[3 * row] = bundle;
    places[3 * row + 1] = ordinal;
    places[3 * row + 2] = Number.isFinite(sinceRelease) ? sinceRelease : NONE;
  }

  finish(): FileColumns {
    return this.#columns;
  }
}

function rowOf({ slots, keys }: FileColumns, { low, high }: PathKey): number | undefined {
  const mask = slots.length - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    const row = slots[slot]! - 1;
    if (row < 0) return undefined;
    if (keys[2 * row] === low && keys[2 * row + 1] === high) return row;
  }
}

/** The key of the path that was taken last; no object per look-up. Two multiplicative hashes with other factors, mixed at the end. */
class PathKey {
  readonly #seed: number;
  low = 0;
  high = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  take(text: string, start: number): void {
    let one = 0xdeadbeef ^ this.#seed;
    let two = 0x41c6ce57 ^ Math.imul(this.#seed, 0x9e3779b1);
    for (let at = start; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      one = Math.imul(one ^ unit, 0x9e3779b1);
      one ^= one >>> 15;
      two = Math.imul(two ^ unit, 0x5f356495);
      two ^= two >>> 13;
    }
    one = Math.imul(one ^ (one >>> 16), 0x85ebca6b) ^ Math.imul(two ^ (two >>> 13), 0xc2b2ae35);
    two = Math.imul(two ^ (two >>> 16), 0x85ebca6b) ^ Math.imul(one ^ (one >>> 13), 0xc2b2ae35);
    this.low = one >>> 0;
    this.high = two >>> 0;
  }
}

import { estimateSharedBytes, isSketched, type Sketch, type SketchedContent } from "../delta/sketch.ts";
import { fileKindOf } from "./file-kind.ts";
import { SMALL_BYTES } from "./file-report.ts";

/** A file of a tree and what was read in it. */
export interface TreeFile {
  /** Below the tree, a byte string. */
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256, in whatever form names it. */
  readonly content: string;
  /** Undefined for contents too small for one, and where it is not known. */
  readonly sketch: Sketch | undefined;
  /** What a gzip file unpacks to; of an index only where the file can be packed again bit for bit. */
  readonly inner: { readonly lengthBytes: number; readonly sketch: Sketch | undefined } | undefined;
}

/** Where the facts of a tree come from: its bytes, or an index of a publisher or a mirror, without reading a file. */
export interface TreeSource {
  readonly from: "files" | "published" | "mirror";
  /** Of which the index is; null for files. */
  readonly release: number | null;
}

/** Shares are 0 … 1; null if there was nothing to share. What sketches tell is an estimate, a little low (delta/sketch.ts). */
export interface TreeReport {
  readonly source: TreeSource;
  readonly files: number;
  readonly bytes: number;
  readonly unreadable: number;
  readonly smallShareOfFiles: number | null;
  readonly largeShareOfBytes: number | null;
  /** Files over 1 MB whose bytes a file earlier in path order has. */
  readonly identical: {
    readonly largeFiles: number;
    readonly files: number;
    readonly bytes: number;
    readonly shareOfLargeFiles: number | null;
    readonly shareOfBytes: number | null;
    /** Source packages among them: of files, of bytes. */
    readonly sourceShareOfFiles: number | null;
    readonly sourceShareOfBytes: number | null;
  };
  /** Different contents large enough for a sketch, by how much of each the nearest one before it has. */
  readonly similar: {
    readonly contents: number;
    /** As large, but the index has no sketch of them. */
    readonly withoutSketch: number;
    /** Of which something is in another. */
    readonly alike: number;
    readonly meanLikeness: number | null;
    /** Contents whose likeness is 0 … below 0.1, …, 0.9 … 1. */
    readonly byTenths: readonly number[];
  };
  /** Bytes that a mirror without anything need not fetch. */
  readonly savings: {
    /** Files that are there more than once. */
    readonly dedupeBytes: number;
    /** Parts that another content has. */
    readonly deltaBytes: number;
    /**
     * Compressed files of which another's unpacked bytes have parts, beyond what delta saves. Of files at most, since not each
     * can be packed again; of publish's index what it looked into; null of a mirror's, which has no sketches of what is inside.
     */
    readonly lookInsideBytes: number | null;
  };
  /** Different contents that can be made again from what they unpack to, as publish tried and the index knows; null of files. */
  readonly repackable: { readonly contents: number; readonly bytes: number; readonly unpackedBytes: number } | null;
}

const TENTHS = 10;
/** Contents looked at for one handprint: more of them are the same few bytes, in everything. */
const MOST_PER_HANDPRINT = 16;

/**
 * Counts the files of a tree, given in the order of their paths. Holds about 90 bytes per different content, and up to 2 KB more for each
 * sketch (measured, with 16 handprints that no other has).
 */
export class TreeCounts {
  readonly #source: TreeSource;
  readonly #contents = new Set<string>();
  readonly #kin = new Kin();
  readonly #innerKin = new Kin();
  readonly #byTenths = Array.from({ length: TENTHS }, () => 0);
  readonly #small = { files: 0, bytes: 0 };
  readonly #large = { files: 0, bytes: 0 };
  readonly #repackable = { contents: 0, bytes: 0, unpackedBytes: 0 };
  readonly #identical = { files: 0, bytes: 0, sourceFiles: 0, sourceBytes: 0 };
  #dedupeBytes = 0;
  #deltaBytes = 0;
  #lookInsideBytes = 0;
  #likenessSum = 0;
  #alike = 0;
  #sketched = 0;
  #withoutSketch = 0;
  #unreadable = 0;

  constructor(source: TreeSource) {
    this.#source = source;
  }

  addUnreadable(): void {
    this.#unreadable++;
  }

  add(file: TreeFile): void {
    const isLarge = file.sizeBytes > SMALL_BYTES;
    const size = isLarge ? this.#large : this.#small;
    size.files++;
    size.bytes += file.sizeBytes;
    if (this.#contents.has(file.content)) {
      this.#dedupeBytes += file.sizeBytes;
      if (isLarge) this.#addIdentical(file);
      return;
    }
    this.#contents.add(file.content);
    this.#addContent(file);
  }

  #addIdentical({ path, sizeBytes }: TreeFile): void {
    this.#identical.files++;
    this.#identical.bytes += sizeBytes;
    if (fileKindOf(path) !== "source") return;
    this.#identical.sourceFiles++;
    this.#identical.sourceBytes += sizeBytes;
  }

  #addContent({ sizeBytes, sketch, inner }: TreeFile): void {
    let delta = 0;
    if (sketch !== undefined && isSketched(sizeBytes)) {
      delta = this.#kin.add({ lengthBytes: sizeBytes, sketch });
      this.#countLikeness(delta / sizeBytes);
    } else if (isSketched(sizeBytes)) this.#withoutSketch++;
    const inside = inner === undefined ? 0 : this.#likenessInside(inner) * sizeBytes;
    this.#deltaBytes += delta;
    this.#lookInsideBytes += Math.max(0, inside - delta);
    if (inner !== undefined) this.#countRepackable(sizeBytes, inner.lengthBytes);
  }

  #likenessInside({ lengthBytes, sketch }: NonNullable<TreeFile["inner"]>): number {
    return sketch === undefined ? 0 : this.#innerKin.add({ lengthBytes, sketch }) / lengthBytes;
  }

  #countRepackable(sizeBytes: number, unpackedBytes: number): void {
    this.#repackable.contents++;
    this.#repackable.bytes += sizeBytes;
    this.#repackable.unpackedBytes += unpackedBytes;
  }

  #countLikeness(likeness: number): void {
    this.#sketched++;
    this.#byTenths[Math.min(TENTHS - 1, Math.floor(TENTHS * likeness))]!++;
    if (likeness === 0) return;
    this.#alike++;
    this.#likenessSum += likeness;
  }

  report(): TreeReport {
    const [small, large, same] = [this.#small, this.#large, this.#identical];
    const files = small.files + large.files;
    const bytes = small.bytes + large.bytes;
    return {
      source: this.#source,
      files,
      bytes,
      unreadable: this.#unreadable,
      smallShareOfFiles: share(small.files, files),
      largeShareOfBytes: share(large.bytes, bytes),
      identical: {
        largeFiles: large.files,
        files: same.files,
        bytes: same.bytes,
        shareOfLargeFiles: share(same.files, large.files),
        shareOfBytes: share(same.bytes, bytes),
        sourceShareOfFiles: share(same.sourceFiles, same.files),
        sourceShareOfBytes: share(same.sourceBytes, same.bytes),
      },
      similar: {
        contents: this.#sketched,
        withoutSketch: this.#withoutSketch,
        alike: this.#alike,
        meanLikeness: share(this.#likenessSum, this.#alike),
        byTenths: [...this.#byTenths],
      },
      savings: {
        dedupeBytes: this.#dedupeBytes,
        deltaBytes: this.#deltaBytes,
        lookInsideBytes: this.#source.from === "mirror" ? null : this.#lookInsideBytes,
      },
      repackable: this.#source.from === "files" ? null : { ...this.#repackable },
    };
  }
}

/** Contents by their handprints. */
class Kin {
  readonly #contents: SketchedContent[] = [];
  readonly #byHandprint = new Map<number, number[]>();

  /** Adds a content. @returns how many of its bytes the nearest one before it has */
  add(content: SketchedContent): number {
    const near = new Set(content.sketch.flatMap((handprint) => this.#byHandprint.get(handprint) ?? []));
    let most = 0;
    for (const index of near) most = Math.max(most, estimateSharedBytes(content, this.#contents[index]!) ?? 0);
    const number = this.#contents.push(content) - 1;
    for (const handprint of content.sketch) {
      const holders = this.#byHandprint.get(handprint);
      if (holders === undefined) this.#byHandprint.set(handprint, [number]);
      else if (holders.length < MOST_PER_HANDPRINT) holders.push(number);
    }
    return most;
  }
}

function share(part: number, of: number): number | null {
  return of === 0 ? null : part / of;
}

import * as fs from "node:fs";
import { isSystemError } from "../core/errors.ts";
import type { ContentId } from "../core/content-id.ts";
import { isSameMtime } from "../core/time.ts";
import { joinPath, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import type { PinnedDescriptor } from "./descriptor-cache.ts";
import { StoreError } from "./errors.ts";
import { makePrivate, OWN_DIRECTORY } from "./own-directory.ts";
import { type FileStat, fileStatOf } from "./file-stat.ts";
import { cloneFile, cloneSparsely, fsyncFile } from "./file-copy.ts";
import { ReadyCopies } from "./ready-copies.ts";
import { LazyPart } from "./lazy-part.ts";
import { missingPart, PartFiles } from "./part-files.ts";
import { SmallReads } from "./small-reads.ts";
import { writeSparseSync } from "./sparse-write.ts";
import { StagedContent } from "./staged-content.ts";
import { type LeftLink, type LinkSource, StagedLinks } from "./staged-links.ts";
import type { PartAttributes } from "./staging-task.ts";
import { StagingThreads } from "./staging-threads.ts";

/** Of the areas, in DEST/.prsync or in a directory of ours elsewhere. */
export const AREA_NAMES = ["staging", "inner"] as const;

/** A part that an earlier run (or this one) left. */
export interface StagedPart {
  readonly content: ContentId;
  /** Length of the file, which is sparse: says nothing about how much of it was received. */
  readonly lengthBytes: number;
}

/** What a staged content becomes as a file of DEST. */
export interface FinalAttributes {
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** The part is needed again: place a copy (a reflink where the file system can) and keep it. */
  readonly keepPart: boolean;
}

/**
 * `DEST/.prsync/staging` (0700), or elsewhere (see `StagingPlaces`): contents on their way into DEST, each in one file `HEX.part` named by the content, so
 * that the next run finds it whatever path wanted it. On the file system of DEST, so that placing is a rename.
 * Which bytes of a part are verified is kept by the index, not here.
 *
 * A file of DEST that is to get another name is staged as `HEX.link`, a further name of its inode: never written to. One that
 * was not placed is dropped by the next run.
 */
export class StagingArea implements Disposable {
  readonly directory: ConfinedDirectory;
  /** Blocks of zeros stay holes (rsync --sparse). */
  readonly isSparse: boolean;
  readonly #parts: PartFiles;
  readonly #links: StagedLinks;
  /** Copies for calls of {@link prepare} to come that keep the part. */
  readonly copies: ReadyCopies;
  readonly #threads = new StagingThreads();
  readonly #smallReads = new SmallReads();
  #temporaries = 0;

  private constructor(directory: ConfinedDirectory, isSparse: boolean) {
    this.directory = directory;
    this.isSparse = isSparse;
    this.#parts = new PartFiles(directory);
    this.#links = new StagedLinks(directory);
    this.copies = new ReadyCopies(directory, (content) => this.#clone(content));
  }

  /**
   * Makes the area in DEST/.prsync, or in a `place` of ours elsewhere, if it is not there and removes unfinished copies of earlier runs.
   * @throws StoreError `root-unusable` if it is on another file system than DEST
   */
  static open(
    destination: ConfinedDirectory,
    options: { readonly isSparse?: boolean; readonly place?: ConfinedDirectory | undefined } = {},
  ): StagingArea {
    return StagingArea.#openAt("staging", destination, options);
  }

  /**
   * An area of its own, `inner`, for inner contents: no other run goes on with them, so what one left is removed.
   * That needs no index, which can't be opened on a disk that they fill.
   */
  static openInner(destination: ConfinedDirectory, place?: ConfinedDirectory): StagingArea {
    const area = StagingArea.#openAt("inner", destination, { place });
    area.discardAll();
    return area;
  }

  static #openAt(
    name: (typeof AREA_NAMES)[number],
    destination: ConfinedDirectory,
    { isSparse = false, place }: { readonly isSparse?: boolean; readonly place?: ConfinedDirectory | undefined },
  ): StagingArea {
    if (place === undefined) makePrivate(destination, OWN_DIRECTORY);
    const path = joinPath(place === undefined ? OWN_DIRECTORY : undefined, name);
    const around = place ?? destination;
    makePrivate(around, path);
    const area = new StagingArea(around.openBelow(path), isSparse);
    area.directory.assertSameFileSystemAs(destination);
    for (const name of area.#names()) {
      const part = PartFiles.contentOf(name);
      const link = StagedLinks.contentOf(name);
      if (part !== undefined) area.#parts.addLeft(part);
      else if (link !== undefined) area.#links.addLeft(link);
      else area.directory.unlink(joinPath(undefined, name));
    }
    return area;
  }

  /** What {@link stageLink} staged and nothing placed, with the inode; right after the start, that of an interrupted run. */
  leftLinks(): readonly LeftLink[] {
    return this.#links.left();
  }

  /**
   * Stages a file of DEST that has one name under a further one, without reading it.
   * @returns its stat, whose ctime changed; undefined if it is not the expected file or can't be linked
   */
  stageLink(content: ContentId, source: LinkSource): FileStat | undefined {
    const stat = this.#links.make(content, source);
    if (stat !== undefined) this.#parts.discard(content);
    return stat;
  }

  /** Does what takes a name from the file of DEST that is `there`, which does not make a link of it less {@link isIntact}. */
  takeName(there: fs.BigIntStats | undefined, act: () => void): void {
    this.#links.followWhile(there, act);
  }

  /** Growing SHA-256s of contents on their way. */
  get prefixCount(): number {
    return this.#threads.prefixCount;
  }

  /**
   * The part of a content. One that lies here gets its full length, else it is made (sparse) when its first byte comes.
   * Nothing stays open because of it.
   * @param attributes what it is to have in DEST, if that is known: a small content gets them with its bytes
   */
  stage(content: ContentId, lengthBytes: number, attributes?: PartAttributes): StagedContent {
    this.#links.drop(content);
    const isThere = this.#parts.mayHave(content) && this.#parts.setLength(content, lengthBytes);
    const part = new LazyPart({ content, lengthBytes, isMade: isThere }, this.#parts);
    const on = { part, threads: this.#threads, smallReads: this.#smallReads, isSparse: this.isSparse, attributes };
    return new StagedContent(content, lengthBytes, on);
  }

  /** Whether the content or a part of it may be here; false is certain. */
  mayHave(content: ContentId): boolean {
    return this.#parts.mayHave(content) || this.#links.has(content);
  }

  /** Stages a whole small content in one go, synchronously: half the time of {@link stage} and write. */
  stageWhole(content: ContentId, bytes: Uint8Array): void {
    const descriptor = this.#parts.createAnew(content);
    try {
      if (this.isSparse) {
        fs.ftruncateSync(descriptor, bytes.length);
        return writeSparseSync(descriptor, bytes, 0);
      }
      for (let offset = 0; offset < bytes.length;) {
        offset += fs.writeSync(descriptor, bytes, offset, bytes.length - offset, offset);
      }
    } finally {
      fs.closeSync(descriptor);
    }
  }

  /** Length of a part, undefined if there is none. */
  lengthOf(content: ContentId): number | undefined {
    if (!this.mayHave(content)) return undefined;
    const stats = this.directory.lstat(this.#pathOf(content));
    return stats?.isFile() === true ? Number(stats.size) : undefined;
  }

  /** All parts that lie here. */
  *parts(): Generator<StagedPart> {
    for (const name of this.#names()) {
      const content = PartFiles.contentOf(name);
      const lengthBytes = content === undefined ? undefined : this.lengthOf(content);
      if (content !== undefined && lengthBytes !== undefined) yield { content, lengthBytes };
    }
  }

  /** A path in {@link directory} for something that is made complete and then renamed; removed at the next start if left. */
  temporaryPath(): RepoPath {
    return joinPath(undefined, `${this.#temporaries++}.temporary`);
  }

  discard(content: ContentId): void {
    this.#links.drop(content);
    this.#parts.discard(content);
  }

  /** Moves the parts of another area of the same DEST here; a power cut leaves each in one of them. */
  async takePartsOf(other: StagingArea): Promise<void> {
    const parts = [...other.parts()];
    for (const { content } of parts) {
      const path = other.#parts.pathOf(content);
      other.#parts.close(content);
      other.directory.rename(path, path, { into: this.directory });
      other.#parts.forgetPlaced(content);
      this.#parts.addLeft(content);
    }
    if (parts.length > 0) await this.directory.fsyncDirectory(undefined);
  }

  /** Discards all parts. */
  discardAll(): void {
    for (const { content } of [...this.parts()]) this.discard(content);
  }

  /** Makes the bytes of a part durable; those of a link are as durable as they were under their first name. */
  async fsync(content: ContentId): Promise<void> {
    if (this.#links.has(content)) return;
    const length = this.lengthOf(content);
    if (length === undefined) throw missingPart(content);
    await this.stage(content, length).fsync();
  }

  /** False for a staged link whose file was written to, or touched by others, since it was staged. */
  isIntact(content: ContentId): boolean {
    return !this.#links.has(content) || this.#links.isUntouched(content);
  }

  /**
   * Gives a complete, verified part (or a copy of it) its final mode and mtime. A link that is not {@link isIntact} is dropped.
   * @returns its path in {@link directory}, to be renamed into DEST @throws StoreError `staged-missing`, `staged-changed`
   */
  async prepare(content: ContentId, attributes: FinalAttributes): Promise<RepoPath> {
    const source = attributes.keepPart ? await this.#copyOf(content) : this.#original(content);
    if (!attributes.keepPart && this.#parts.isFinished(content, attributes)) return source;
    const linked = attributes.keepPart ? undefined : this.#links.statOf(content);
    try {
      // Else nothing could tell any more if somebody wrote to it just now.
      const isTimeSet = linked !== undefined && isSameMtime(linked.mtimeNs, attributes.mtimeNs);
      if (isTimeSet) this.directory.chmod(source, attributes.mode);
      else this.directory.setFileAttributes(source, attributes);
      return source;
    } catch (error) {
      throw isSystemError(error, "ENOENT") ? missingPart(content, error) : error;
    }
  }

  /** Says that what {@link prepare} gave without keeping the part now has its place in DEST. */
  forgetPlaced(content: ContentId): void {
    this.#parts.forgetPlaced(content);
    this.#links.forget(content);
  }

  /**
   * Renames a complete, verified part over `path` of `destination`, so that the path shows the old or the new file and
   * nothing else. Whatever is not a directory is replaced.
   * @returns the stat of the placed file @throws StoreError `staged-missing`
   */
  async place(
    content: ContentId,
    destination: ConfinedDirectory,
    placement: FinalAttributes & { readonly path: RepoPath },
  ): Promise<FileStat> {
    const source = await this.prepare(content, placement);
    this.directory.rename(source, placement.path, { into: destination });
    if (!placement.keepPart) this.forgetPlaced(content);
    return fileStatOf(destination.lstat(placement.path)!);
  }

  /** Nothing is staged for a while: gives up what only makes it quicker. */
  rest(): void {
    this.#threads.rest();
  }

  [Symbol.dispose](): void {
    // What is under way on other threads names descriptors by their number.
    this.#threads.end(() => {
      this.#parts[Symbol.dispose]();
      this.directory[Symbol.dispose]();
    });
  }

  #original(content: ContentId): RepoPath {
    this.#assertIntact(content);
    this.#parts.close(content);
    return this.#pathOf(content);
  }

  async #copyOf(content: ContentId): Promise<RepoPath> {
    const ready = this.copies.take(content);
    if (ready !== undefined) return ready;
    const copy = await this.#clone(content);
    await fsyncFile(this.directory, copy);
    return copy;
  }

  async #clone(content: ContentId): Promise<RepoPath> {
    this.#assertIntact(content);
    const copy = this.temporaryPath();
    using part = this.#pin(content);
    await (this.isSparse ? cloneSparsely : cloneFile)(part.descriptor, this.directory, copy);
    try {
      // Its bytes were taken between two looks at the file.
      this.#assertIntact(content);
    } catch (error) {
      this.directory.unlink(copy);
      throw error;
    }
    return copy;
  }

  #pin(content: ContentId): PinnedDescriptor {
    if (!this.#links.has(content)) return this.#parts.pin(content);
    return this.#parts.pinForReading(content, this.#links.pathOf(content));
  }

  #assertIntact(content: ContentId): void {
    if (this.isIntact(content)) return;
    this.#parts.close(content);
    this.#links.drop(content);
    const told = `the file that was to become content ${content} was written to during the sync`;
    throw new StoreError("staged-changed", told);
  }

  #pathOf(content: ContentId): RepoPath {
    return this.#links.has(content) ? this.#links.pathOf(content) : this.#parts.pathOf(content);
  }

  *#names(): Generator<string> {
    using pinned = this.directory.pinDirectory(undefined);
    const directory = fs.opendirSync(`${pinned.procPath}.`, { encoding: "latin1" });
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) yield entry.name;
    } finally {
      directory.closeSync();
    }
  }
}

import * as fs from "node:fs";
import { type ContentId, parseContentId } from "../core/content-id.ts";
import { isSystemError } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { DescriptorCache, type PinnedDescriptor } from "./descriptor-cache.ts";
import { StoreError } from "./errors.ts";
import type { PartMaker } from "./lazy-part.ts";
import type { PartAttributes } from "./staging-task.ts";

const PART_SUFFIX = ".part";
const PART_NAME = /^([0-9a-f]{64})\.part$/;
/** Descriptors of parts kept open between calls. */
const MAX_OPEN_PARTS = 256;

/** The files `HEX.part` of a staging area, as many descriptors of them as may stay open, and what is known of them. */
export class PartFiles implements PartMaker, Disposable {
  readonly #directory: ConfinedDirectory;
  readonly #open = new DescriptorCache(MAX_OPEN_PARTS);
  /** Contents that may have a part: those that lay here and those made since. Others need no look at the disk. */
  readonly #made = new Set<ContentId>();
  /** Mode and mtime of parts that got theirs with their bytes. */
  readonly #finished = new Map<ContentId, PartAttributes>();

  constructor(directory: ConfinedDirectory) {
    this.#directory = directory;
  }

  /** Content of a part's name, undefined for other names. */
  static contentOf(name: string): ContentId | undefined {
    const hex = PART_NAME.exec(name)?.[1];
    return hex === undefined ? undefined : parseContentId(hex);
  }

  /** Where the part of a content lies. */
  pathOf(content: ContentId): RepoPath {
    return (content + PART_SUFFIX) as RepoPath;
  }

  /** Takes note of a part that an earlier run left. */
  addLeft(content: ContentId): void {
    this.#made.add(content);
  }

  /** Whether the part may be here; false is certain. */
  mayHave(content: ContentId): boolean {
    return this.#made.has(content);
  }

  make(content: ContentId, lengthBytes: number): PinnedDescriptor {
    const part = this.#open.add(content, this.createAnew(content));
    fs.ftruncateSync(part.descriptor, lengthBytes);
    return part;
  }

  /** A new, empty file in place of what was there; the caller closes the descriptor. */
  createAnew(content: ContentId): number {
    this.#open.forget(content);
    this.#finished.delete(content);
    this.#made.add(content);
    const path = this.pathOf(content);
    try {
      return this.#directory.createExclusive(path);
    } catch (error) {
      if (!isSystemError(error, "EEXIST")) throw error;
      this.#directory.unlink(path);
      return this.#directory.createExclusive(path);
    }
  }

  /** @throws StoreError `staged-missing` */
  pin(content: ContentId): PinnedDescriptor {
    const part = this.#pinIfThere(content);
    if (part === undefined) throw missingPart(content);
    return part;
  }

  /** The same for a staged link, which is not written to. @param path where it lies */
  pinForReading(content: ContentId, path: RepoPath): PinnedDescriptor {
    return this.#open.pin(content) ?? this.#open.add(content, this.#directory.openForReadingSync(path));
  }

  /** @returns false if there is no part */
  setLength(content: ContentId, lengthBytes: number): boolean {
    using part = this.#pinIfThere(content);
    if (part === undefined) return false;
    if (fs.fstatSync(part.descriptor).size !== lengthBytes) fs.ftruncateSync(part.descriptor, lengthBytes);
    return true;
  }

  /** Held by the descriptor of the area, so nothing on the way to it can be swapped. */
  replace(content: ContentId): string {
    this.#open.forget(content);
    this.#finished.delete(content);
    this.#made.add(content);
    using area = this.#directory.pinDirectory(undefined);
    return area.procPath + this.pathOf(content);
  }

  finished(content: ContentId, attributes: PartAttributes): void {
    this.#finished.set(content, attributes);
  }

  unfinished(content: ContentId): void {
    this.#finished.delete(content);
  }

  /** Whether it got this mode and mtime with its bytes. */
  isFinished(content: ContentId, { mode, mtimeNs }: PartAttributes): boolean {
    const has = this.#finished.get(content);
    return has?.mode === mode && has.mtimeNs === mtimeNs;
  }

  /** Closes what is kept open of it. */
  close(content: ContentId): void {
    this.#open.forget(content);
  }

  /** Says that it has another name now, outside of the area. */
  forgetPlaced(content: ContentId): void {
    this.#made.delete(content);
    this.#finished.delete(content);
  }

  discard(content: ContentId): void {
    this.#open.forget(content);
    this.#finished.delete(content);
    if (!this.#made.delete(content)) return;
    try {
      this.#directory.unlink(this.pathOf(content));
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#open[Symbol.dispose]();
  }

  #pinIfThere(content: ContentId): PinnedDescriptor | undefined {
    const held = this.#open.pin(content);
    if (held !== undefined) return held;
    const path = this.pathOf(content);
    try {
      return this.#open.add(content, this.#directory.openForWriting(path));
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return undefined;
      if (!isSystemError(error, "EACCES")) throw error;
    }
    // It has its final mode already, which does not let us write.
    this.#finished.delete(content);
    this.#directory.chmod(path, 0o600);
    return this.#open.add(content, this.#directory.openForWriting(path));
  }
}

/** What is told of a part that should be there. */
export function missingPart(content: ContentId, cause?: unknown): StoreError {
  return new StoreError("staged-missing", `staged part of content ${content} is not there`, { cause });
}

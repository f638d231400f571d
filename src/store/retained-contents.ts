import * as fs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { contentIdOf, type ContentId } from "../core/content-id.ts";
import { isSystemError } from "../core/errors.ts";
import { repoPathFromByteString, type RepoPath } from "../core/repo-path.ts";
import { ConfinedDirectory } from "./confined-directory.ts";
import { StoreError } from "./errors.ts";
import {
  inodeStatOf,
  fingerprintOf,
  isSameButForCtime,
  type InodeStat,
  type StatFingerprint,
} from "./publish-index-stat.ts";
import { createHash } from "node:crypto";

/** A file of TREE whose bytes were just hashed while it stood still, with its stat from then. */
export interface HashedSource {
  readonly root: ConfinedDirectory;
  readonly path: RepoPath;
  readonly stats: InodeStat;
}

/**
 * What became of a content to retain. `retained`: `copy` is the stat of the file under contents/, `source` that of the
 * file in TREE afterwards (a hard link changed its ctime). `source-changed`: it is no longer what was hashed.
 */
export type RetainOutcome =
  | { readonly outcome: "retained"; readonly copy: InodeStat; readonly source: InodeStat }
  | { readonly outcome: "source-changed" }
  | { readonly outcome: "impossible"; readonly reason: string };

/**
 * The published contents that outlive TREE: `contents/ab/HEX` in the work directory, each a reflink of a file of TREE,
 * else a hard link to it. A hard link shares the inode, so an edit in place changes it too: what is read back is
 * believed only while its stat is the recorded one, or after its SHA-256 matched again.
 */
export class RetainedContents implements Disposable {
  readonly #directory: ConfinedDirectory;
  #canClone = true;
  readonly #foreignDevices = new Set<bigint>();

  private constructor(directory: ConfinedDirectory) {
    this.#directory = directory;
  }

  /** @param workDirectory must exist; `contents` is made below it */
  static open(workDirectory: string): RetainedContents {
    fs.mkdirSync(`${workDirectory}/contents`, { recursive: true, mode: 0o700 });
    return new RetainedContents(ConfinedDirectory.open(`${workDirectory}/contents`));
  }

  /**
   * Keeps a content by the file that was just hashed.
   * @param recorded stat of the copy that the index knows; another file under this name is replaced
   */
  retain(content: ContentId, source: HashedSource, recorded: StatFingerprint | undefined): RetainOutcome {
    if (this.#foreignDevices.has(source.stats.dev)) return impossible("on another file system");
    const path = contentPath(content);
    if (recorded === undefined) {
      try {
        return this.#make(path, source);
      } catch (error) {
        // Left by a publish that was killed.
        if (!isSystemError(error, "EEXIST")) throw error;
      }
    }
    const present = this.#directory.lstat(path);
    if (present !== undefined) {
      const isOurs = present.ino === source.stats.ino && present.dev === source.stats.dev;
      if (!isOurs && fingerprintOf(present) === recorded) return this.#checked(source, present);
      if (isOurs) return this.#checked(source, present);
      this.#directory.unlink(path);
    }
    return this.#make(path, source);
  }

  /** @throws system errors; `EEXIST` if something has the name already */
  #make(path: RepoPath, source: HashedSource): RetainOutcome {
    return this.#clone(path, source) ?? this.#link(path, source);
  }

  /** After nothing was linked: the source must still be as it was hashed. */
  #checked(source: HashedSource, copy: InodeStat): RetainOutcome {
    const now = source.root.lstat(source.path);
    if (now === undefined || !isSameButForCtime(now, source.stats)) return { outcome: "source-changed" };
    return { outcome: "retained", copy: inodeStatOf(copy), source: inodeStatOf(now) };
  }

  #clone(path: RepoPath, source: HashedSource): RetainOutcome | undefined {
    if (!this.#canClone) return undefined;
    const descriptor = source.root.openForReadingSync(source.path);
    try {
      using directory = this.#makeParent(path);
      const target = `${directory.procPath}${path.slice(3)}`;
      const flags = fs.constants.COPYFILE_FICLONE_FORCE | fs.constants.COPYFILE_EXCL;
      fs.copyFileSync(`/proc/self/fd/${descriptor}`, target, flags);
      // Nothing but a clone was made of the source: its stat must be the very same, ctime included.
      const isUnchanged = fingerprintOf(fs.fstatSync(descriptor, { bigint: true })) === fingerprintOf(source.stats);
      const copy = fs.lstatSync(target, { bigint: true });
      if (isUnchanged) return { outcome: "retained", copy: inodeStatOf(copy), source: source.stats };
      fs.unlinkSync(target);
      return { outcome: "source-changed" };
    } catch (error) {
      if (!isSystemError(error, "ENOTSUP", "EOPNOTSUPP", "ENOTTY", "ENOSYS", "EXDEV", "EINVAL", "EPERM")) throw error;
      this.#canClone = false;
      this.drop(repoPathToContent(path));
      return undefined;
    } finally {
      fs.closeSync(descriptor);
    }
  }

  #link(path: RepoPath, source: HashedSource): RetainOutcome {
    this.#makeParent(path)[Symbol.dispose]();
    try {
      source.root.link(source.path, path, { into: this.#directory });
    } catch (error) {
      if (isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP")) return { outcome: "source-changed" };
      if (isSystemError(error, "EXDEV")) this.#foreignDevices.add(source.stats.dev);
      if (isSystemError(error, "EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP")) return impossible(error.message);
      throw error;
    }
    const copy = this.#directory.lstat(path);
    if (copy !== undefined && isSameButForCtime(copy, source.stats)) {
      return { outcome: "retained", copy: inodeStatOf(copy), source: inodeStatOf(copy) };
    }
    this.#directory.unlink(path);
    return { outcome: "source-changed" };
  }

  #makeParent(path: RepoPath): ReturnType<ConfinedDirectory["pinDirectory"]> {
    const parent = path.slice(0, 2) as RepoPath;
    try {
      return this.#directory.pinDirectory(parent);
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
      this.#directory.mkdir(parent, 0o700);
      return this.#directory.pinDirectory(parent);
    }
  }

  /** Removes a copy; nothing if there is none. */
  drop(content: ContentId): void {
    try {
      this.#directory.unlink(contentPath(content));
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
    }
  }

  /** Opens the copy for reading, unchecked; undefined if there is none. The caller closes it. */
  async open(content: ContentId): Promise<FileHandle | undefined> {
    try {
      return await this.#directory.openForReading(contentPath(content));
    } catch (error) {
      if (isNoCopy(error)) return undefined;
      throw error;
    }
  }

  /** As {@link open}, but a bare descriptor at once. */
  openSync(content: ContentId): number | undefined {
    try {
      return this.#directory.openForReadingSync(contentPath(content));
    } catch (error) {
      if (isNoCopy(error)) return undefined;
      throw error;
    }
  }

  /** Names of all copies, one directory at a time. */
  *list(): Generator<ContentId> {
    using top = this.#directory.pinDirectory(undefined);
    for (const part of fs.readdirSync(top.procPath)) {
      for (const name of fs.readdirSync(`${top.procPath}${part}`)) {
        if (/^[0-9a-f]{64}$/.test(name)) yield name as ContentId;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

/**
 * Reads an open file to its end and compares SHA-256.
 * @returns its stat if it is `content` and stood still meanwhile, else undefined
 */
export async function verifyHandle(handle: FileHandle, content: ContentId): Promise<InodeStat | undefined> {
  const before = await handle.stat({ bigint: true });
  const digest = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (let offset = 0; ;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) break;
    digest.update(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
  const after = await handle.stat({ bigint: true });
  const isSame = fingerprintOf(before) === fingerprintOf(after) && contentIdOf(digest.digest()) === content;
  return isSame ? inodeStatOf(after) : undefined;
}

function isNoCopy(error: unknown): boolean {
  if (isSystemError(error, "ENOENT", "ENOTDIR")) return true;
  return error instanceof StoreError && error.code === "not-a-file";
}

function contentPath(content: ContentId): RepoPath {
  return repoPathFromByteString(`${content.slice(0, 2)}/${content}`);
}

function repoPathToContent(path: RepoPath): ContentId {
  return path.slice(3) as ContentId;
}

function impossible(reason: string): RetainOutcome {
  return { outcome: "impossible", reason };
}

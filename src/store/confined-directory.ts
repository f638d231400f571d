import { type BigIntStats, constants, fsync } from "node:fs";
import * as fs from "node:fs";
import { type FileHandle, open as openHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { isSystemError } from "../core/errors.ts";
import { displayPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import { DescriptorCache, type PinnedDescriptor } from "./descriptor-cache.ts";
import { isSameMtime } from "../core/time.ts";
import { StoreError, withShownPath } from "./errors.ts";
import { utimesSeconds } from "./file-times.ts";
import { assertProcfs, leafOf, procPathOf } from "./proc-paths.ts";

/**
 * O_PATH, which Node does not name; the same number on all of Linux' current architectures. Such a descriptor only
 * names an object: opening it needs no read permission and never blocks on a FIFO.
 */
const O_PATH = 0o10000000;
const OPEN_PART = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const OPEN_FOR_READING = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Directory descriptors kept open: well below the usual limit of 1,024 descriptors per process. */
const MAX_DIRECTORIES = 256;
/** Held descriptors are looked up anew after this time, so that directories moved by others are noticed. */
const MAX_DESCRIPTOR_AGE_MS = 1_000;

const fsyncDescriptor = promisify(fsync);

/** chown(2): leave as it is. */
const UNCHANGED = -1;

/** Numbers of a user and a group. */
export interface OwnerIds {
  readonly uid?: number;
  readonly gid?: number;
}

/** Where an operation with two paths ends, if not in the same confined directory (a staging area, for instance). */
export interface OtherDirectory {
  readonly into: ConfinedDirectory;
}

/**
 * A directory that nothing done through this class can leave, even if parents are swapped for symlinks meanwhile: each
 * part of a path is opened by itself, never through a symlink, below the descriptor of the part before, as
 * `/proc/self/fd/N/part` (Node has no openat); the call itself then acts on `/proc/self/fd/PARENT/leaf`. Names are
 * byte-exact and the whole path may be longer than PATH_MAX.
 *
 * Calls that touch only metadata are synchronous: some microseconds each, five times cheaper than through the thread
 * pool, and nothing can slip in between the look-up and the act. What reads or flushes data is asynchronous.
 * System errors come through with their `code` and the path below the root.
 */
export class ConfinedDirectory implements Disposable {
  readonly rootPath: string;
  readonly #root: number;
  readonly #directories = new DescriptorCache(MAX_DIRECTORIES);
  #lastForgotMs = 0;
  /** Device and inode the root had when it was opened. */
  readonly device: bigint;
  readonly inode: bigint;

  private constructor(rootPath: string, root: number) {
    this.rootPath = rootPath;
    this.#root = root;
    const stat = fs.fstatSync(root, { bigint: true });
    this.device = stat.dev;
    this.inode = stat.ino;
  }

  /**
   * Opens `rootPath`, which may itself be a symlink: it is resolved once, here.
   * @throws StoreError `no-procfs`, `root-unusable`
   */
  static open(rootPath: string): ConfinedDirectory {
    assertProcfs();
    try {
      return new ConfinedDirectory(rootPath, fs.openSync(rootPath, O_PATH | constants.O_DIRECTORY));
    } catch (error) {
      const why = isSystemError(error, "ENOENT")
        ? "does not exist"
        : isSystemError(error, "ENOTDIR")
          ? "is no directory"
          : "can't be opened";
      throw new StoreError("root-unusable", `directory "${rootPath}" ${why}`, { cause: error });
    }
  }

  /** A directory below this one as the root of another. */
  openBelow(path: RepoPath): ConfinedDirectory {
    using directory = this.pinDirectory(path);
    const shown = `${this.rootPath}/${displayPath(path)}`;
    return new ConfinedDirectory(shown, fs.openSync(`${directory.procPath}.`, O_PATH | constants.O_DIRECTORY));
  }

  /** @throws StoreError `root-replaced` if another directory (or none) now stands where this one was opened */
  assertRootInPlace(): void {
    if (this.isRootInPlace()) return;
    throw new StoreError("root-replaced", `directory "${this.rootPath}" was moved or replaced while in use`);
  }

  /** Whether the root stands where it was opened. */
  isRootInPlace(): boolean {
    const stat = fs.statSync(this.rootPath, { bigint: true, throwIfNoEntry: false });
    return stat?.dev === this.device && stat.ino === this.inode;
  }

  /** @throws StoreError `root-unusable` if nothing could be renamed from here to there */
  assertSameFileSystemAs(other: ConfinedDirectory): void {
    if (this.device === other.device) return;
    const told = `"${this.rootPath}" is on another file system than "${other.rootPath}"; unmount what is mounted there`;
    throw new StoreError("root-unusable", told);
  }

  /** What stands at a path, symlinks not followed; undefined if nothing, or if a parent is no directory. */
  lstat(path: RepoPath): BigIntStats | undefined {
    try {
      return this.#at(path, (leaf) => fs.lstatSync(leaf, { bigint: true, throwIfNoEntry: false }));
    } catch (error) {
      if (isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
      throw error;
    }
  }

  /** @throws StoreError `not-a-file` for anything else than a regular file, symlinks and FIFOs included */
  async openForReading(path: RepoPath): Promise<FileHandle> {
    using parent = this.pinDirectory(parentOf(path));
    let handle: FileHandle;
    try {
      handle = await openHandle(leafOf(parent.procPath, path), OPEN_FOR_READING);
    } catch (error) {
      throw this.#openingError(error, path);
    }
    // What a descriptor is, is in memory: no trip to the thread pool.
    if (fs.fstatSync(handle.fd).isFile()) return handle;
    await handle.close();
    throw notAFile(path);
  }

  /** As {@link openForReading}, but a bare descriptor at once; the caller closes it. */
  openForReadingSync(path: RepoPath): number {
    let descriptor: number;
    try {
      descriptor = this.#at(path, (leaf) => fs.openSync(leaf, OPEN_FOR_READING));
    } catch (error) {
      throw this.#openingError(error, path);
    }
    if (fs.fstatSync(descriptor).isFile()) return descriptor;
    fs.closeSync(descriptor);
    throw notAFile(path);
  }

  /** Opens an existing regular file for reading and writing; the caller closes the descriptor. */
  openForWriting(path: RepoPath): number {
    const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const descriptor = this.#at(path, (leaf) => fs.openSync(leaf, flags));
    if (fs.fstatSync(descriptor).isFile()) return descriptor;
    fs.closeSync(descriptor);
    throw notAFile(path);
  }

  /** Makes a new file, open for reading and writing; the caller closes the descriptor. `EEXIST` if anything is there. */
  createExclusive(path: RepoPath, mode = 0o600): number {
    return this.#at(path, (leaf) => fs.openSync(leaf, CREATE, mode));
  }

  rename(from: RepoPath, to: RepoPath, options?: OtherDirectory): void {
    const target = options?.into ?? this;
    this.#between(from, to, { target, act: fs.renameSync });
    this.#directories.forgetBelow(from);
    target.#directories.forgetBelow(to);
  }

  /** Hard link; of a symlink, to the symlink itself. */
  link(existing: RepoPath, created: RepoPath, options?: OtherDirectory): void {
    this.#between(existing, created, { target: options?.into ?? this, act: fs.linkSync });
  }

  /** @param target a byte string, stored as it is and never looked at */
  symlink(target: string, path: RepoPath): void {
    this.#at(path, (leaf) => fs.symlinkSync(Buffer.from(target, "latin1"), leaf));
  }

  /** Where a symlink points, a byte string. */
  readlink(path: RepoPath): string {
    return this.#at(path, (leaf) => fs.readlinkSync(leaf, { encoding: "latin1" }));
  }

  mkdir(path: RepoPath, mode = 0o777): void {
    this.#at(path, (leaf) => fs.mkdirSync(leaf, { mode }));
  }

  rmdir(path: RepoPath): void {
    this.#at(path, (leaf) => fs.rmdirSync(leaf));
    this.#directories.forgetBelow(path);
  }

  unlink(path: RepoPath): void {
    this.#at(path, (leaf) => fs.unlinkSync(leaf));
  }

  /** Sets the permission bits of a file or directory. A symlink is an error (`ELOOP`), never followed. */
  chmod(path: RepoPath, mode: number): void {
    this.#at(path, (leaf) => {
      const descriptor = fs.openSync(leaf, O_PATH | constants.O_NOFOLLOW);
      try {
        if (fs.fstatSync(descriptor).isSymbolicLink()) throw symlinkError();
        fs.chmodSync(`/proc/self/fd/${descriptor}`, mode);
      } finally {
        fs.closeSync(descriptor);
      }
    });
  }

  /** Sets owner and group, each if told, of a file, directory or the symlink itself. Set-id bits may get lost. */
  chown(path: RepoPath, { uid = UNCHANGED, gid = UNCHANGED }: OwnerIds): void {
    this.#at(path, (leaf) => fs.lchownSync(leaf, uid, gid));
  }

  /** Sets the modification time of a file, directory or the symlink itself; see {@link utimesSeconds} for precision. */
  setMtime(path: RepoPath, mtimeNs: bigint): void {
    this.#at(path, (leaf) => fs.lutimesSync(leaf, Date.now() / 1000, utimesSeconds(mtimeNs)));
  }

  /** Both at once for a regular file, cheaper. */
  setFileAttributes(path: RepoPath, { mode, mtimeNs }: { readonly mode: number; readonly mtimeNs: bigint }): void {
    let descriptor: number;
    try {
      descriptor = this.openForReadingSync(path);
    } catch (error) {
      if (!isSystemError(error, "EACCES")) throw error;
      // Its mode does not let us open it.
      this.chmod(path, mode);
      return this.setMtime(path, mtimeNs);
    }
    try {
      fs.fchmodSync(descriptor, mode);
      fs.futimesSync(descriptor, Date.now() / 1000, utimesSeconds(mtimeNs));
    } catch (error) {
      throw withShownPath(error, path);
    } finally {
      fs.closeSync(descriptor);
    }
  }

  /** Permission bits and modification time of the root itself. */
  rootAttributes(): { readonly mode: number; readonly mtimeNs: bigint } {
    const stats = fs.fstatSync(this.#root, { bigint: true });
    return { mode: Number(stats.mode) & 0o7777, mtimeNs: stats.mtimeNs };
  }

  /** Sets them where they differ. */
  setRootAttributes(attributes: { readonly mode: number; readonly mtimeNs: bigint }): void {
    const self = `${procPathOf(this.#root)}.`;
    const { mode, mtimeNs } = this.rootAttributes();
    if (mode !== attributes.mode) fs.chmodSync(self, attributes.mode);
    if (isSameMtime(mtimeNs, attributes.mtimeNs)) return;
    fs.utimesSync(self, Date.now() / 1000, utimesSeconds(attributes.mtimeNs));
  }

  /** Makes the names in a directory durable; undefined is the root. */
  async fsyncDirectory(path: RepoPath | undefined): Promise<void> {
    using directory = this.pinDirectory(path);
    const descriptor = fs.openSync(`${directory.procPath}.`, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await fsyncDescriptor(descriptor);
    } catch (error) {
      throw withShownPath(error, path ?? "");
    } finally {
      fs.closeSync(descriptor);
    }
  }

  /**
   * Holds a directory (undefined: the root) open. Its children are `procPath` + name, valid until disposed; only leaf
   * calls that do not follow symlinks may use such a path.
   */
  pinDirectory(path: RepoPath | undefined): PinnedDirectory {
    this.#forgetIfOld();
    if (path === undefined) return { procPath: procPathOf(this.#root), [Symbol.dispose]: () => undefined };
    const pinned = this.#directories.pin(path) ?? this.#openDirectory(path);
    return { procPath: procPathOf(pinned.descriptor), [Symbol.dispose]: () => pinned[Symbol.dispose]() };
  }

  #forgetIfOld(): void {
    const now = performance.now();
    if (now - this.#lastForgotMs > MAX_DESCRIPTOR_AGE_MS) this.forgetDirectories(now);
  }

  /** Drops held descriptors of directories below, so that the next look-up starts at the root again. */
  forgetDirectories(now: number = performance.now()): void {
    this.#directories.clear();
    this.#lastForgotMs = now;
  }

  /** Calls still waiting for the disk must have ended. */
  [Symbol.dispose](): void {
    this.#directories.clear();
    fs.closeSync(this.#root);
  }

  /** Opens part after part from the nearest ancestor that is held. */
  #openDirectory(path: RepoPath): PinnedDescriptor {
    let start = path.length;
    let current: PinnedDescriptor | undefined;
    while (current === undefined && start > 0) {
      start = path.lastIndexOf("/", start - 1);
      if (start > 0) current = this.#directories.pin(path.slice(0, start));
    }
    while (start < path.length) {
      const end = endOfPart(path, start + 1);
      const part = Buffer.from(procPathOf(current?.descriptor ?? this.#root) + path.slice(start + 1, end), "latin1");
      try {
        const descriptor = fs.openSync(part, OPEN_PART);
        current?.[Symbol.dispose]();
        current = this.#directories.add(path.slice(0, end), descriptor);
      } catch (error) {
        current?.[Symbol.dispose]();
        throw withShownPath(error, path.slice(0, end));
      }
      start = end;
    }
    return current!;
  }

  /** @param act is over when it returns, so that nothing need be pinned where the directory is held already */
  #at<Result>(path: RepoPath, act: (leaf: Buffer) => Result): Result {
    const parent = parentOf(path);
    const held = this.#heldDescriptor(parent);
    if (held !== undefined) return actOn(path, () => act(leafOf(procPathOf(held), path)));
    using pinned = this.pinDirectory(parent);
    return actOn(path, () => act(leafOf(pinned.procPath, path)));
  }

  #between(
    from: RepoPath,
    to: RepoPath,
    call: { readonly target: ConfinedDirectory; readonly act: (from: Buffer, to: Buffer) => void },
  ): void {
    // First both look at the clock, which may close what they hold: nothing is pinned where both are held already.
    this.#forgetIfOld();
    call.target.#forgetIfOld();
    const [heldFrom, heldTo] = [this.#peek(parentOf(from)), call.target.#peek(parentOf(to))];
    if (heldFrom !== undefined && heldTo !== undefined) {
      return actOn(to, () => call.act(leafOf(procPathOf(heldFrom), from), leafOf(procPathOf(heldTo), to)));
    }
    using fromParent = this.pinDirectory(parentOf(from));
    using toParent = call.target.pinDirectory(parentOf(to));
    actOn(to, () => call.act(leafOf(fromParent.procPath, from), leafOf(toParent.procPath, to)));
  }

  /** Undefined for a directory that is to be opened first. */
  #heldDescriptor(directory: RepoPath | undefined): number | undefined {
    this.#forgetIfOld();
    return this.#peek(directory);
  }

  #peek(directory: RepoPath | undefined): number | undefined {
    return directory === undefined ? this.#root : this.#directories.peek(directory);
  }

  #openingError(error: unknown, path: RepoPath): unknown {
    return isSystemError(error, "ELOOP", "ENXIO") ? notAFile(path, error) : withShownPath(error, path);
  }
}

/** A directory held open; see {@link ConfinedDirectory.pinDirectory}. */
export interface PinnedDirectory extends Disposable {
  /** Ends in "/"; a child's byte string can be appended as it is (encode as latin1). */
  readonly procPath: string;
}

function actOn<Result>(path: RepoPath, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw withShownPath(error, path);
  }
}

function endOfPart(path: string, start: number): number {
  const slash = path.indexOf("/", start);
  return slash < 0 ? path.length : slash;
}

function notAFile(path: RepoPath, cause?: unknown): StoreError {
  return new StoreError("not-a-file", `expected a regular file at "${displayPath(path)}", found something else`, {
    cause,
  });
}

function symlinkError(): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error("ELOOP: is a symbolic link");
  return Object.assign(error, { code: "ELOOP", syscall: "chmod", path: "" });
}

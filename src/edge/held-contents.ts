import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import { isSystemError, messageOf } from "../core/errors.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { StoreError } from "../store/errors.ts";
import { fileStatOf, isSameFileStat, type FileStat } from "../store/file-stat.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { verifyHandle } from "../store/retained-contents.ts";
import { SmallReads } from "../store/small-reads.ts";
import type { ArrivedContents } from "./arrived-contents.ts";
import { LimitedRuns } from "./limited-runs.ts";
import type { HeldContentReader } from "./mirror-bundle.ts";
import type { SyncLog } from "./sync-log.ts";

/** Files kept open between reads: peers and customers read one file in many small pieces. */
const MAX_OPEN_FILES = 64;
/** A nightly `chmod -R` changes all that is being sent at once: the disk is for customers first. */
const MAX_HASHED_AT_ONCE = 2;
/** What has no name any more takes room outside of `--quota`, and a customer at 1 kB/s would keep 4 GB there for 46 days. */
const NAMELESS_MS = 3_600_000;

interface OpenFile {
  readonly path: RepoPath;
  readonly handle: FileHandle;
  /** Its bytes are the content as long as it stands like this. */
  stat: FileStat;
  /** While it is hashed again. */
  verifying?: Promise<boolean> | undefined;
  /** Its hash was another: it is never hashed again. */
  isOther?: boolean;
  /** When it was first seen without a name, of {@link Clock.monotonicMs}. */
  namelessSinceMs?: number;
  /** Reads in flight; an evicted file is closed by the last of them. */
  users: number;
  isEvicted: boolean;
}

/** A content for one transfer; undefined once its bytes are gone. To be disposed, or the file stays open. */
export interface HeldFile extends AsyncDisposable {
  read(offset: number, length: number): Promise<Uint8Array | undefined>;
}

/**
 * Reads verified contents straight from DEST. Every read compares size, mtime, ctime and inode with what was recorded when
 * the content was hashed: a file that changed is withdrawn at once and noted for the next sync to mend.
 */
export class HeldContents implements HeldContentReader, AsyncDisposable {
  readonly #destination: ConfinedDirectory;
  readonly #index: MirrorIndex;
  readonly #log: SyncLog;
  readonly #onChanged: (path: RepoPath) => void;
  readonly #recordPlaced: () => void;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #smallReads = new SmallReads();
  readonly #hashing = new LimitedRuns(MAX_HASHED_AT_ONCE);
  readonly #open = new Map<ContentId, OpenFile>();
  /** Paths that this program itself is changing: their records follow in a moment. */
  #expected: ReadonlySet<RepoPath> = new Set();

  constructor(context: {
    readonly destination: ConfinedDirectory;
    readonly index: MirrorIndex;
    readonly log: SyncLog;
    readonly clock: Pick<Clock, "monotonicMs">;
    /** A file is not what was recorded any more; its record is gone already. */
    readonly onChanged: (path: RepoPath) => void;
    /** Of files that have their place just now: their records are written before a content counts as not there. */
    readonly arrived: Pick<ArrivedContents, "recordPlaced">;
  }) {
    this.#destination = context.destination;
    this.#index = context.index;
    this.#log = context.log;
    this.#clock = context.clock;
    this.#onChanged = context.onChanged;
    this.#recordPlaced = () => context.arrived.recordPlaced();
  }

  async read(content: ContentId, offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array | undefined> {
    // A file that changed under its name may have a twin: each path is tried once, and what was open before once more.
    const failed = new Set<RepoPath>();
    let file = this.#open.get(content) ?? (await this.#openContent(content, failed));
    while (file !== undefined) {
      const bytes = await this.#readFrom(file, { offset, bytes: memory ?? Buffer.allocUnsafe(length) });
      if (bytes !== undefined) return bytes;
      this.#withdraw(content, file);
      file = await this.#openContent(content, failed);
      if (file !== undefined) failed.add(file.path);
    }
    return undefined;
  }

  /**
   * For a transfer that may take hours: one descriptor to its end (row H13). A file that was removed or replaced meanwhile has another ctime
   * and the same bytes, as its hash shows; nobody else gets it, since its name is no longer its own, and after an hour without a name the one
   * who reads does not either. Undefined if nothing on disk is the content, as with {@link read}.
   */
  async hold(content: ContentId): Promise<HeldFile | undefined> {
    const file = this.#open.get(content) ?? (await this.#openContent(content, new Set()));
    if (file === undefined) return undefined;
    file.users++;
    const read = async (offset: number, length: number): Promise<Uint8Array | undefined> => {
      if (this.#isOverdue(file)) return undefined;
      const range = { offset, bytes: Buffer.allocUnsafe(length) };
      const bytes = await this.#readFrom(file, range);
      if (bytes !== undefined) return bytes;
      if (this.#open.get(content) === file) this.#withdraw(content, file);
      return (await this.#isStillContent(content, file)) ? await this.#readFrom(file, range) : undefined;
    };
    return {
      read,
      [Symbol.asyncDispose]: async () => {
        if (this.#open.get(content) === file && isNameless(file)) this.#withdraw(content, file);
        await this.#release(file);
      },
    };
  }

  /**
   * Until disposed, these paths may change without being reported as changed: an activation is at work, and its records follow.
   * What is not what was recorded is not given out all the same.
   */
  expectChanges(paths: ReadonlySet<RepoPath>): Disposable {
    this.#expected = paths;
    return {
      [Symbol.dispose]: () => {
        this.#expected = new Set();
      },
    };
  }

  /** Closes the handles of a content, for instance because its path is about to be replaced. */
  forget(content: ContentId): void {
    const file = this.#open.get(content);
    if (file === undefined) return;
    this.#open.delete(content);
    void this.#evict(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const files = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(files.map((file) => this.#evict(file)));
  }

  async #openContent(content: ContentId, failed: ReadonlySet<RepoPath>): Promise<OpenFile | undefined> {
    const recorded = await this.#openRecorded(content, failed);
    if (recorded !== undefined) return recorded;
    try {
      this.#recordPlaced();
    } catch (error) {
      // The sync fails by it; who reads has other sources.
      this.#log.warn({ reason: messageOf(error) }, "what was placed can't be recorded");
      return undefined;
    }
    return await this.#openRecorded(content, failed);
  }

  async #openRecorded(content: ContentId, failed: ReadonlySet<RepoPath>): Promise<OpenFile | undefined> {
    for (const path of this.#index.files.pathsOf(content)) {
      const record = this.#index.files.get(path);
      if (record?.isVerified !== true || failed.has(path)) continue;
      const handle = await this.#tryOpen(path, record.stat);
      if (handle === undefined) continue;
      const stat = fileStatOf(fstatSync(handle.fd, { bigint: true }));
      if (!isSameFileStat(stat, record.stat)) {
        await handle.close();
        this.#reportChanged(path, record.stat);
        continue;
      }
      const existing = this.#open.get(content);
      if (existing !== undefined) {
        await handle.close();
        return existing;
      }
      return this.#keep(content, { path, handle, stat, users: 0, isEvicted: false });
    }
    return undefined;
  }

  #keep(content: ContentId, file: OpenFile): OpenFile {
    this.#open.set(content, file);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= MAX_OPEN_FILES) break;
      this.forget(oldest);
    }
    return file;
  }

  async #tryOpen(path: RepoPath, recorded: FileStat): Promise<FileHandle | undefined> {
    try {
      return await this.#destination.openForReading(path);
    } catch (error) {
      if (error instanceof StoreError || isSystemError(error, "ENOENT", "ENOTDIR")) {
        this.#reportChanged(path, recorded);
        return undefined;
      }
      this.#log.warn({ path: displayPath(path), reason: messageOf(error) }, "file can't be read");
      return undefined;
    }
  }

  async #readFrom(
    file: OpenFile,
    { offset, bytes }: { readonly offset: number; readonly bytes: Uint8Array },
  ): Promise<Uint8Array | undefined> {
    const { length } = bytes;
    file.users++;
    try {
      let done = this.#smallReads.fill(file.handle.fd, bytes, offset);
      while (done < length) {
        const { bytesRead } = await file.handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) return undefined;
        done += bytesRead;
      }
      const stat = fileStatOf(fstatSync(file.handle.fd, { bigint: true }));
      return this.#isUnchanged(file, stat) ? bytes : undefined;
    } catch (error) {
      this.#log.warn({ path: displayPath(file.path), reason: messageOf(error) }, "file can't be read");
      return undefined;
    } finally {
      await this.#release(file);
    }
  }

  async #release(file: OpenFile): Promise<void> {
    file.users--;
    if (file.isEvicted && file.users === 0) await file.handle.close();
  }

  /**
   * A changed ctime alone may be our own doing (a further link, a new mode): then the record was brought up to date,
   * or the name was replaced by a newer file and this one lives on without a name, unchanged.
   */
  #isUnchanged(file: OpenFile, stat: FileStat): boolean {
    if (isSameFileStat(stat, file.stat)) return true;
    if (stat.size !== file.stat.size || stat.mtimeNs !== file.stat.mtimeNs) return false;
    const record = this.#index.files.get(file.path);
    return record !== undefined && isSameFileStat(record.stat, stat);
  }

  #isOverdue({ namelessSinceMs }: OpenFile): boolean {
    return namelessSinceMs !== undefined && this.#clock.monotonicMs() - namelessSinceMs > NAMELESS_MS;
  }

  /** Shared by all who hold the file. */
  async #isStillContent(content: ContentId, file: OpenFile): Promise<boolean> {
    if (file.isOther === true) return false;
    file.verifying ??= this.#hashing
      .run(() => this.#verifyAgain(content, file))
      .then((isContent) => {
        file.isOther = !isContent;
        return isContent;
      })
      .finally(() => {
        file.verifying = undefined;
      });
    return await file.verifying;
  }

  async #verifyAgain(content: ContentId, file: OpenFile): Promise<boolean> {
    try {
      const stats = fstatSync(file.handle.fd, { bigint: true });
      const stat = fileStatOf(stats);
      // Whatever takes the last name away changes ctime, so it is seen here.
      if (stats.nlink === 0n) file.namelessSinceMs ??= this.#clock.monotonicMs();
      // Cut or written to: nothing to be hoped for.
      if (stat.size !== file.stat.size || stat.mtimeNs !== file.stat.mtimeNs) return false;
      if ((await verifyHandle(file.handle, content)) === undefined) return false;
      if (!isSameFileStat(fileStatOf(fstatSync(file.handle.fd, { bigint: true })), stat)) return false;
      file.stat = stat;
      return true;
    } catch (error) {
      this.#log.warn({ path: displayPath(file.path), reason: messageOf(error) }, "file can't be read");
      return false;
    }
  }

  #withdraw(content: ContentId, file: OpenFile): void {
    this.#open.delete(content);
    void this.#evict(file);
    this.#reportChanged(file.path, file.stat);
  }

  /** @param recorded what the file should have been: if the record says something else by now, the file is a newer one */
  #reportChanged(path: RepoPath, recorded: FileStat): void {
    const record = this.#index.files.get(path);
    if (record === undefined || !isSameFileStat(record.stat, recorded) || this.#expected.has(path)) return;
    this.#log.warn({ path: displayPath(path) }, "file changed on disk, no longer given to others");
    this.#index.transaction(() => this.#index.files.noteChanged(path));
    this.#onChanged(path);
  }

  async #evict(file: OpenFile): Promise<void> {
    file.isEvicted = true;
    if (file.users === 0) await file.handle.close();
  }
}

/** Removed or replaced, so only its descriptor keeps its bytes on the disk. */
function isNameless({ handle }: OpenFile): boolean {
  return fstatSync(handle.fd, { bigint: true }).nlink === 0n;
}

import type { ContentId } from "../core/content-id.ts";
import { DISK_FAILURES, isSystemError } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { DurabilityBatch } from "./durability.ts";
import { StoreError } from "./errors.ts";
import { fsyncFile } from "./file-copy.ts";

/**
 * Copies of staged contents that are durable and wait to be placed. Made many at a time: 1,000 equal files of 10 kB took seven
 * times as long as different ones while each copy had an fsync of its own.
 */
export class ReadyCopies {
  readonly #directory: ConfinedDirectory;
  readonly #clone: (content: ContentId) => Promise<RepoPath>;
  readonly #ready = new Map<ContentId, RepoPath[]>();

  /** @param clone makes a copy that need not be durable @param directory where it makes them */
  constructor(directory: ConfinedDirectory, clone: (content: ContentId) => Promise<RepoPath>) {
    this.#directory = directory;
    this.#clone = clone;
  }

  /** A copy, which is the caller's from here on. */
  take(content: ContentId): RepoPath | undefined {
    const copies = this.#ready.get(content);
    const copy = copies?.pop();
    if (copies?.length === 0) this.#ready.delete(content);
    return copy;
  }

  /**
   * One copy is made for each time a content is named; none of one that can't be copied for a reason of its own.
   * @throws system errors; then no copies are ready
   */
  async make(contents: readonly ContentId[]): Promise<void> {
    const batch = new DurabilityBatch(this.#directory.rootPath);
    const failed = new Set<ContentId>();
    try {
      for (const content of contents) {
        if (failed.has(content)) continue;
        try {
          const copy = await this.#clone(content);
          this.#add(content, copy);
          batch.add(() => fsyncFile(this.#directory, copy));
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          failed.add(content);
        }
      }
      await batch.flush();
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  /** Removes what was not taken. */
  drop(): void {
    const copies = [...this.#ready.values()].flat();
    this.#ready.clear();
    for (const copy of copies) {
      try {
        this.#directory.unlink(copy);
      } catch (error) {
        // What stays is removed at the next start.
        if (!isSystemError(error, "ENOENT", "EROFS", ...DISK_FAILURES)) throw error;
      }
    }
  }

  #add(content: ContentId, copy: RepoPath): void {
    const copies = this.#ready.get(content);
    if (copies === undefined) this.#ready.set(content, [copy]);
    else copies.push(copy);
  }
}

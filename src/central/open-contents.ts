import type { ByteRange } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";
import { StoreError } from "../store/errors.ts";
import type { OpenContent, PublishedTree } from "./published-tree.ts";

interface Held {
  readonly opened: Promise<OpenContent | undefined>;
  /** Reads under way. */
  users: number;
  /** Since the last look of {@link OpenContents.closeIdle}. */
  wasUsed: boolean;
  isEvicted: boolean;
}

/** Enough for the pieces that 200 connections ask for at a time, far below a process's limit of descriptors. */
const MAX_OPEN = 64;

/**
 * Contents kept open between block reads: peers ask for 16 KiB at a time, mostly of the same few contents. The least
 * recently used is closed once nobody reads from it.
 */
export class OpenContents implements AsyncDisposable {
  readonly #tree: Pick<PublishedTree, "openContent">;
  readonly #maxOpen: number;
  /** In order of last use, oldest first. */
  readonly #held = new Map<ContentId, Held>();

  constructor(tree: Pick<PublishedTree, "openContent">, maxOpen: number = MAX_OPEN) {
    this.#tree = tree;
    this.#maxOpen = maxOpen;
  }

  /** Undefined if the bytes are no longer there. @param memory as long as the range, where they may be put. @throws StoreError `unpack-busy` */
  async read(content: ContentId, range: ByteRange, memory?: Uint8Array): Promise<Uint8Array | undefined> {
    // A file that was renamed or linked since it was opened has other times and the same bytes: opened anew, it is checked
    // again, or another copy is found. Only what fails twice is gone.
    return (await this.#tryRead(content, range, memory)) ?? (await this.#tryRead(content, range, memory));
  }

  async #tryRead(content: ContentId, range: ByteRange, memory?: Uint8Array): Promise<Uint8Array | undefined> {
    const held = this.#take(content);
    try {
      const opened = await held.opened;
      return await opened?.read(range.start, range.end - range.start, memory);
    } catch (error) {
      if (error instanceof StoreError && error.code === "unpack-busy") throw error;
      // Changed on disk: the next read opens anew.
      this.#evict(content, held);
      return undefined;
    } finally {
      held.users--;
      if ((await held.opened.catch(() => undefined)) === undefined) this.#evict(content, held);
      await closeIfDone(held);
    }
  }

  /**
   * Closes what nobody read since the last call: an open file keeps its space, and after a publish it may be the only
   * thing that still does.
   */
  async closeIdle(): Promise<void> {
    const idle = [...this.#held].filter(([, held]) => !held.wasUsed && held.users === 0);
    for (const held of this.#held.values()) held.wasUsed = false;
    await this.#close(idle);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close([...this.#held]);
  }

  async #close(which: readonly (readonly [ContentId, Held])[]): Promise<void> {
    for (const [content, held] of which) this.#evict(content, held);
    await Promise.all(which.map(([, held]) => closeIfDone(held)));
  }

  #take(content: ContentId): Held {
    const known = this.#held.get(content);
    const held = known ?? { opened: this.#tree.openContent(content), users: 0, wasUsed: true, isEvicted: false };
    held.users++;
    held.wasUsed = true;
    this.#held.delete(content);
    this.#held.set(content, held);
    if (this.#held.size > this.#maxOpen) {
      const [oldestContent, oldest] = this.#held.entries().next().value!;
      this.#evict(oldestContent, oldest);
      void closeIfDone(oldest);
    }
    return held;
  }

  #evict(content: ContentId, held: Held): void {
    held.isEvicted = true;
    if (this.#held.get(content) === held) this.#held.delete(content);
  }
}

async function closeIfDone(held: Held): Promise<void> {
  if (!held.isEvicted || held.users > 0) return;
  // Only the first of several callers closes.
  held.users = Infinity;
  const opened = await held.opened.catch(() => undefined);
  await opened?.[Symbol.asyncDispose]();
}

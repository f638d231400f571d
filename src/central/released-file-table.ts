import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { ServeLog } from "./ports.ts";
import type { FileTable, PublishedTree } from "./published-tree.ts";

/** So many look-ups in the index cost about as much as reading a tenth of a million files: who is asked less never pays for a table. */
const LOOKUPS_WORTH_IT = 20_000;
/** After a reading so many times as long passes before the next one: releases by the minute take 5 % of a core at most. */
const PAUSE_FACTOR = 20;

export interface FileTableContext {
  readonly tree: Pick<PublishedTree, "readFileTable" | "shownRelease">;
  readonly clock: Clock;
  readonly log: ServeLog;
}

/**
 * The files of the release in memory once that pays: a look-up in the index takes as long as the rest of a redirect, and much longer where
 * the disk must be read. Until it is there, and for each new release again, the index answers.
 */
export class ReleasedFileTable {
  readonly #context: FileTableContext;
  #table: FileTable | undefined;
  #lookups = 0;
  #isReading = false;
  #notBeforeMs = -Infinity;

  constructor(context: FileTableContext) {
    this.#context = context;
  }

  /** Of the release that was told last ({@link forget}); undefined as long as there is none. */
  get current(): FileTable | undefined {
    return this.#table;
  }

  /** Another release is shown: the old table goes before a new one is read. */
  forget(): void {
    this.#table = undefined;
  }

  /** The index had to be asked. */
  noteLookup(nowMs: number): void {
    if (++this.#lookups < LOOKUPS_WORTH_IT || this.#isReading || this.#table !== undefined) return;
    if (nowMs < this.#notBeforeMs) return;
    this.#lookups = 0;
    this.#isReading = true;
    void this.#read(nowMs);
  }

  async #read(startMs: number): Promise<void> {
    const { tree, clock, log } = this.#context;
    try {
      const table = await tree.readFileTable();
      // What was published meanwhile is read after the pause.
      if (table?.release === tree.shownRelease) this.#table = table;
    } catch (error) {
      log.warn({ error: messageOf(error) }, "the files of the release could not be read into memory");
    }
    const endMs = clock.monotonicMs();
    this.#notBeforeMs = endMs + PAUSE_FACTOR * (endMs - startMs);
    this.#isReading = false;
  }
}

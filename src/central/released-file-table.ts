import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { ServeLog } from "./ports.ts";
import type { FileTable, PublishedTree } from "./published-tree.ts";

/**
 * Look-ups in the index that took so long in all cost about as much as reading a tenth of a million files: who is asked less never pays for a
 * table. Counted in time, for where the index must come from the disk a look-up takes 10 to 1,000 times as long, and all customers wait for it.
 */
const WORTH_IT_MS = 1_000;
/** After a reading so many times as long passes before the next one: releases by the minute take 5 % of a core at most. */
const PAUSE_FACTOR = 20;

/** What the log says then. */
const FILES_IN_MEMORY = "the files of the release are in memory";

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
  #lookedMs = 0;
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

  /** Asks the index, and notes how long that took. */
  lookUp<Found>(look: () => Found): Found {
    const { clock } = this.#context;
    const startMs = clock.monotonicMs();
    const found = look();
    const nowMs = clock.monotonicMs();
    this.#lookedMs += nowMs - startMs;
    if (this.#isWorthIt(nowMs)) void this.#read(nowMs);
    return found;
  }

  #isWorthIt(nowMs: number): boolean {
    return this.#lookedMs >= WORTH_IT_MS && !this.#isReading && this.#table === undefined && nowMs >= this.#notBeforeMs;
  }

  async #read(startMs: number): Promise<void> {
    const { tree, clock, log } = this.#context;
    this.#lookedMs = 0;
    this.#isReading = true;
    try {
      const table = await tree.readFileTable();
      // What was published meanwhile is read after the pause.
      if (table?.release === tree.shownRelease) {
        this.#table = table;
        const seconds = Math.round((clock.monotonicMs() - startMs) / 100) / 10;
        log.info({ release: table.release, seconds }, FILES_IN_MEMORY);
      }
    } catch (error) {
      log.warn({ error: messageOf(error) }, "the files of the release could not be read into memory");
    }
    const endMs = clock.monotonicMs();
    this.#notBeforeMs = endMs + PAUSE_FACTOR * (endMs - startMs);
    this.#isReading = false;
  }
}

import type { DatabaseSync } from "node:sqlite";

/** Volunteers number their requests by wall-clock milliseconds: one write per volunteer in ten minutes. */
const JUMP = 600_000;

/**
 * The highest sequence number per volunteer. On disk stands an upper bound that is ahead of what was seen: after a crash
 * a replay is never accepted, at the price of one "stale-sequence" answer per volunteer.
 */
export class SequenceMarks {
  readonly #database: DatabaseSync;
  /** What was seen in this process, and the bound on disk. */
  readonly #marks = new Map<string, { highest: number; bound: number }>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  highest(id: string): number {
    return this.#mark(id).highest;
  }

  /** True if it had to be written to disk. `sequence` is above {@link highest}. */
  note(id: string, sequence: number): boolean {
    const mark = this.#mark(id);
    mark.highest = sequence;
    this.#marks.set(id, mark);
    if (sequence <= mark.bound) return false;
    mark.bound = Math.min(sequence + JUMP, Number.MAX_SAFE_INTEGER);
    this.#save(id, mark.bound);
    return true;
  }

  /** At an orderly end: the exact numbers, so that nobody meets a stale answer after it. */
  saveExactly(): void {
    for (const [id, { highest }] of this.#marks) this.#save(id, highest);
  }

  #mark(id: string): { highest: number; bound: number } {
    const known = this.#marks.get(id);
    if (known !== undefined) return known;
    const row = this.#database.prepare("SELECT upper_bound FROM sequences WHERE id = ?").get(id);
    const bound = Number(row?.upper_bound ?? 0);
    return { highest: bound, bound };
  }

  #save(id: string, bound: number): void {
    this.#database
      .prepare(
        "INSERT INTO sequences (id, upper_bound) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET upper_bound = excluded.upper_bound",
      )
      .run(id, bound);
  }
}

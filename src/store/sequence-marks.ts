import type { DatabaseSync } from "node:sqlite";

/** Volunteers number their requests by wall-clock milliseconds: what is written ahead lasts for ten minutes. */
const JUMP = 600_000;

interface Mark {
  readonly highest: number;
  readonly bound: number;
}

/**
 * The highest sequence number per volunteer. On disk stands an upper bound that is ahead of what was seen: after a crash
 * a replay is never accepted, at the price of one "stale-sequence" answer per volunteer.
 *
 * Bounds are raised for all together: each write waits for the disk, and all requests with it.
 */
export class SequenceMarks {
  readonly #database: DatabaseSync;
  /** What was seen in this process, and the bound on disk. */
  readonly #marks = new Map<string, Mark>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  highest(id: string): number {
    return this.#mark(id).highest;
  }

  /** Whether {@link raise} must come before {@link note}. */
  mustRaise(id: string, sequence: number): boolean {
    return sequence > this.#mark(id).bound;
  }

  /** Whether somebody may pass its bound within the next five minutes. */
  get isRaiseDue(): boolean {
    return this.#marks.values().some(({ highest, bound }) => isNear(highest, bound));
  }

  /**
   * Writes new bounds where these numbers, or what was seen of others, come near the old ones.
   *
   * @returns to be called once they are on disk
   */
  raise(least: ReadonlyMap<string, number>): () => void {
    const raised = new Map<string, Mark>();
    for (const id of new Set([...this.#marks.keys(), ...least.keys()])) {
      const { highest, bound } = this.#mark(id);
      const expected = Math.max(highest, least.get(id) ?? 0);
      if (isNear(expected, bound)) raised.set(id, { highest, bound: aheadOf(expected) });
    }
    this.#write(raised, ({ bound }) => bound);
    return () => {
      for (const [id, mark] of raised) this.#marks.set(id, mark);
    };
  }

  /** `sequence` is above {@link highest}, and no bound must be raised for it. */
  note(id: string, sequence: number): void {
    this.#marks.set(id, { highest: sequence, bound: this.#mark(id).bound });
  }

  /** At an orderly end: the exact numbers, so that nobody meets a stale answer after it. */
  saveExactly(): void {
    this.#write(this.#marks, ({ highest }) => highest);
  }

  #mark(id: string): Mark {
    const known = this.#marks.get(id);
    if (known !== undefined) return known;
    const row = this.#database.prepare("SELECT upper_bound FROM sequences WHERE id = ?").get(id);
    const bound = Number(row?.upper_bound ?? 0);
    return { highest: bound, bound };
  }

  #write(marks: ReadonlyMap<string, Mark>, numberOf: (mark: Mark) => number): void {
    const statement = this.#database.prepare(
      "INSERT INTO sequences (id, upper_bound) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET upper_bound = excluded.upper_bound",
    );
    for (const [id, mark] of marks) statement.run(id, numberOf(mark));
  }
}

function aheadOf(sequence: number): number {
  return Math.min(sequence + JUMP, Number.MAX_SAFE_INTEGER);
}

function isNear(sequence: number, bound: number): boolean {
  return bound < Math.min(sequence + JUMP / 2, Number.MAX_SAFE_INTEGER);
}

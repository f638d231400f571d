/** How long new pieces wait to be announced together. */
export const HAVE_BATCH_MS = 200;

/** Pieces that became ours since the last announcement to peers. */
export class HaveBatch {
  #pieces = new Set<number>();
  #sinceMs = 0;

  add(piece: number, nowMs: number): void {
    if (this.#pieces.size === 0) this.#sinceMs = nowMs;
    this.#pieces.add(piece);
  }

  /** A piece that was withdrawn before anybody heard of it. */
  remove(piece: number): void {
    this.#pieces.delete(piece);
  }

  /** The pieces to announce now: none before {@link HAVE_BATCH_MS} have passed since the first. */
  takeDue(nowMs: number): readonly number[] {
    if (this.#pieces.size === 0 || nowMs - this.#sinceMs < HAVE_BATCH_MS) return [];
    const due = [...this.#pieces];
    this.#pieces = new Set();
    return due;
  }
}

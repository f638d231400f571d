/** A home that takes so many times as long as the best one for the same share of its pieces, */
const LATE_FACTOR = 8;
/** and this time more, is late: the first pieces come in any order, and a small site brings as many as a large one. */
const LATE_EXTRA_MS = 10_000;
/** Shares are compared in steps of 1/16. */
const STEPS = 16;

const WANTED = 1;
const SEEN = 2;

interface Share {
  wanted: number;
  seen: number;
}

/**
 * How far each home is with bringing its pieces: a site whose lines carry much less than those of others, that fetches
 * something else, or is gone, must not set the pace. Who is late once stays late.
 */
export class HomeProgress {
  readonly #pieces: Uint8Array;
  readonly #startMs: number;
  #homes: readonly string[] = [];
  #shares: Share[] = [];
  /** What the best home took for 0, 1, 2 … {@link STEPS} parts of its pieces, as far as it is. */
  readonly #bestMs: number[] = [];
  readonly #late = new Set<string>();

  /** @param wanted pieces of the download; others say nothing */
  constructor(pieceCount: number, wanted: Iterable<number>, nowMs: number) {
    this.#pieces = new Uint8Array(pieceCount);
    for (const piece of wanted) this.#pieces[piece] = WANTED;
    this.#startMs = nowMs;
  }

  /** Piece p is brought by site p mod their number. */
  setHomes(homes: readonly string[]): void {
    this.#homes = homes;
    this.#shares = homes.map(() => ({ wanted: 0, seen: 0 }));
    for (const [piece, state] of this.#pieces.entries()) {
      const share = this.#shares[piece % homes.length];
      if (share === undefined || state === 0) continue;
      share.wanted++;
      if (state === SEEN) share.seen++;
    }
  }

  /** Somebody other than the origin has the piece now. */
  seen(piece: number): void {
    if (this.#pieces[piece] !== WANTED) return;
    this.#pieces[piece] = SEEN;
    const share = this.#shares[piece % this.#homes.length];
    if (share !== undefined) share.seen++;
  }

  /** Call about ten times a second. */
  tick(nowMs: number): void {
    const passedMs = nowMs - this.#startMs;
    const best = Math.max(0, ...this.#shares.map(stepOf));
    while (this.#bestMs.length <= best) this.#bestMs.push(passedMs);
    for (const [index, share] of this.#shares.entries()) {
      const bestMs = this.#bestMs[stepOf(share) + 1];
      if (bestMs !== undefined && passedMs > bestMs * LATE_FACTOR + LATE_EXTRA_MS) this.#late.add(this.#homes[index]!);
    }
  }

  isLate(home: string): boolean {
    return this.#late.has(home);
  }
}

function stepOf({ wanted, seen }: Share): number {
  return wanted === 0 ? 0 : Math.floor((STEPS * seen) / wanted);
}

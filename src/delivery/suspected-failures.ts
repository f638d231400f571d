import type { AskedKey } from "./recent-requests.ts";

/** A volunteer that may have failed a customer. */
export interface SuspectedFailure {
  readonly asked: AskedKey;
  /** Where it would be lowered. */
  readonly network: string;
  readonly volunteer: string;
}

/** After this long it shows whether the address is shared: the window in which requests count as one customer's. */
const SETTLED_MS = 10_000;
/** Beyond that the oldest are forgotten: a failure that nobody notes costs one more redirect. */
const MOST_SUSPECTED = 4_096;

/**
 * A repeated request says that the last choice failed, or that somebody else behind the same address wants the same file. Which of
 * the two shows within seconds, so nobody is lowered before.
 */
export class SuspectedFailures {
  readonly #isShared: (asked: AskedKey, nowMs: number) => boolean;
  /** In the order of time. */
  #waiting: { readonly failure: SuspectedFailure; readonly atMs: number }[] = [];

  /** @param isShared whether the address was seen to be that of several customers */
  constructor(isShared: (asked: AskedKey, nowMs: number) => boolean) {
    this.#isShared = isShared;
  }

  note(failure: SuspectedFailure, nowMs: number): void {
    if (this.#waiting.length >= MOST_SUSPECTED) this.#waiting = this.#waiting.slice(MOST_SUSPECTED / 2);
    this.#waiting.push({ failure, atMs: nowMs });
  }

  /** Those that are no longer in doubt, each once. */
  settled(nowMs: number): readonly SuspectedFailure[] {
    const [oldest] = this.#waiting;
    if (oldest === undefined || nowMs - oldest.atMs <= SETTLED_MS) return NONE;
    const settled = this.#waiting.filter(({ atMs }) => nowMs - atMs > SETTLED_MS);
    this.#waiting = this.#waiting.slice(settled.length);
    return settled.map(({ failure }) => failure).filter(({ asked }) => !this.#isShared(asked, nowMs));
  }
}

const NONE: readonly SuspectedFailure[] = [];

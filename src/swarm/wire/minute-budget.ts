/** How often something harmless may happen before it is a flood: at most `limit` times in each minute. */
export class MinuteBudget {
  readonly #limit: number;
  #minuteStartMs = -Infinity;
  #spent = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False once the minute's budget is used up. @param nowMs monotonic */
  spend(nowMs: number): boolean {
    if (nowMs - this.#minuteStartMs >= 60_000) {
      this.#minuteStartMs = nowMs;
      this.#spent = 0;
    }
    return ++this.#spent <= this.#limit;
  }
}

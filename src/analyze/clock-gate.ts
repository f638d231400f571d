/** Servers log a request when it ended or by when it began: lines of one log are days out of order at most. */
const MOST_SECONDS_APART = 30 * 86_400;
/** So many lines in a row that agree are the time, and what was believed before was not. */
const LINES_TO_BELIEVE = 3;

/**
 * Tells lines with a wrong clock: a time more than 30 days from the last one is skipped, until three lines in a row agree on it.
 * So one line of 2038 costs itself, and a log with a gap of a year costs two lines.
 */
export class ClockGate {
  /** Lines that were skipped. */
  jumps = 0;
  #last: number | undefined;
  #doubted = 0;
  #agreeing = 0;

  /** The next log has a time of its own. */
  reset(): void {
    this.#last = undefined;
    this.#agreeing = 0;
  }

  admits(timeSeconds: number): boolean {
    if (this.#last === undefined || Math.abs(timeSeconds - this.#last) <= MOST_SECONDS_APART) {
      this.#last = timeSeconds;
      this.#agreeing = 0;
      return true;
    }
    this.#agreeing = Math.abs(timeSeconds - this.#doubted) <= MOST_SECONDS_APART ? this.#agreeing + 1 : 1;
    this.#doubted = timeSeconds;
    if (this.#agreeing < LINES_TO_BELIEVE) {
      this.jumps++;
      return false;
    }
    this.#last = timeSeconds;
    this.#agreeing = 0;
    return true;
  }
}

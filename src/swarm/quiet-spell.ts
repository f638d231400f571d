/**
 * Waiting for somebody who may never come: after `patienceMs` without a sign of life it is over for a while, then hope
 * gets another chance. Each further while is twice as long, so what is lost by waiting in vain stays a small share.
 */
export class QuietSpell {
  readonly #patienceMs: number;
  #lifeMs: number;
  #overUntilMs = -Infinity;
  #whileMs: number;
  #isOver = false;

  constructor(patienceMs: number, nowMs: number) {
    this.#patienceMs = patienceMs;
    this.#lifeMs = nowMs;
    this.#whileMs = 2 * patienceMs;
  }

  /** Has it been quiet for too long, now or a while ago? As of the last {@link tick}. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A sign of life. */
  heard(nowMs: number): void {
    this.#lifeMs = Math.max(this.#lifeMs, nowMs);
  }

  /** Time went by. */
  tick(nowMs: number): void {
    this.#isOver = nowMs < this.#overUntilMs || nowMs - this.#lifeMs > this.#patienceMs;
    if (!this.#isOver || nowMs < this.#overUntilMs) return;
    this.#overUntilMs = nowMs + this.#whileMs;
    this.#whileMs *= 2;
    this.#lifeMs = this.#overUntilMs;
  }
}

/** Rate at which the origin's help begins … */
const FIRST_BYTES_PER_SECOND: number = 512 * 1024;
/** … and the time in which it doubles for as long as the peers stay slow: 1.5 MiB after 2 s, 500 MiB after 10 s. */
const DOUBLING_MS = 1_000;

/**
 * How much a volunteer may fetch from the origin of what another volunteer has or is about to have. A pause of a second or
 * two, as a busy disk makes it, then costs the origin next to nothing, and after ten seconds nothing holds the origin back.
 */
export class SecondCopyBudget {
  #sinceMs: number | undefined;
  #spentBytes = 0;

  /** The peers were slow since `sinceMs`; a call in a row changes nothing. */
  open(sinceMs: number): void {
    this.#sinceMs ??= sinceMs;
  }

  /** The peers are quick again: the next pause begins anew. */
  close(): void {
    this.#sinceMs = undefined;
    this.#spentBytes = 0;
  }

  spend(lengthBytes: number): void {
    if (this.#sinceMs !== undefined) this.#spentBytes += lengthBytes;
  }

  /** The first piece is allowed at once. */
  hasRoom(nowMs: number): boolean {
    if (this.#sinceMs === undefined) return false;
    const doublings = (nowMs - this.#sinceMs) / DOUBLING_MS;
    const secondsPerDoubling = DOUBLING_MS / 1000;
    const allowedBytes = (FIRST_BYTES_PER_SECOND * secondsPerDoubling * (2 ** doublings - 1)) / Math.LN2;
    return this.#spentBytes === 0 || allowedBytes > this.#spentBytes;
  }
}

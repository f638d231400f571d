/**
 * While bytes are on their way others appear and grow: the tracker is asked again sooner than its interval, and soonest at the
 * beginning, when all that heard of a release start together and know nobody (in simulation 2.5 s of 30 for 20 mirrors).
 */
const LOOKS_MS: readonly number[] = [500, 1_000, 2_000, 3_000];
/**
 * Between two announces while nothing changes: twenty mirrors that asked every 3 s had central send 370 kB of answers beside a
 * release of 64 MiB, next to all of them "as before".
 */
const UNCHANGED_MS = 10_000;
/** Volunteers: more are not called for a bundle, so who else there is matters little. */
const ENOUGH = 30;
/** Names that are remembered; the tracker draws some of many anew for each answer. */
const MAX_NAMES = 4_096;

/** When a mirror that is fetching asks the tracker again: often while peers come and go, seldom while they stay. */
export class SyncingRhythm {
  #announces = 0;
  /** Ids that were named in this sync. */
  #named: ReadonlySet<string> = new Set();
  /** Ids of those that were connected at the last answer. */
  #connected: ReadonlySet<string> = new Set();
  /** How many the last answer named. */
  #namedLast = 0;
  #isSettled = false;

  /** The sync ended: the next one begins anew. */
  reset(): void {
    this.#announces = 0;
    this.#named = new Set();
    this.#namedLast = 0;
    this.#isSettled = false;
  }

  /**
   * An answer came.
   *
   * @param connected other volunteers, by their ids, as are those that were named
   * @param isMoving the next answer will say something else whoever is named: no waiting for it
   */
  answered(named: ReadonlySet<string>, connected: ReadonlySet<string>, isMoving: boolean): void {
    const isOld = connected.size >= ENOUGH || named.isSubsetOf(this.#named);
    // A tracker that began anew hears of all others within seconds.
    const isShort = 2 * named.size < this.#namedLast;
    this.#isSettled = this.#announces >= LOOKS_MS.length && isOld && !isShort && !isMoving;
    // Its names come back one by one.
    this.#namedLast = isShort ? this.#namedLast / 2 : named.size;
    this.#named = this.#named.size > MAX_NAMES ? named : this.#named.union(named);
    this.#connected = connected;
  }

  /** Milliseconds until {@link mayWait} is asked, or the next announce is made. Call once after each answer. */
  nextMs(): number {
    return LOOKS_MS[this.#announces++] ?? LOOKS_MS.at(-1)!;
  }

  /** Nobody new was named (or enough are connected), and nobody left: what there is to hear can wait. @param sinceMs the last answer */
  mayWait(connected: ReadonlySet<string>, sinceMs: number): boolean {
    const isNobodyGone = connected.size > 0 && this.#connected.isSubsetOf(connected);
    return this.#isSettled && isNobodyGone && sinceMs + LOOKS_MS.at(-1)! <= UNCHANGED_MS;
  }
}

import type { Clock } from "../core/clock.ts";

/** One offence can be a fault of memory or disk; three are a habit. */
const OFFENCES_TO_BAN = 3;
/** Who offends again after a ban has shown the habit already. */
const OFFENCES_TO_BAN_AGAIN = 1;
/** A mirror whose bad memory was changed is not to wait for the restart of all others; an enemy costs a piece each time. */
export const FIRST_BAN_MS: number = 15 * 60_000;
/** 15 min, 1 h, 4 h, 16 h, 24 h, 24 h, … */
const BAN_GROWTH = 4;
export const LONGEST_BAN_MS: number = 24 * 60 * 60_000;
/** A record ends so long after the last offence, or the last ban, of its peer. */
export const FORGET_MS: number = 24 * 60 * 60_000;
/** Bounds the memory; passes make peer ids scarce, so only stock clients could fill it. */
const MAX_REMEMBERED = 10_000;

interface PeerRecord {
  /** Since the last ban. */
  readonly offences: number;
  readonly bans: number;
  readonly bannedUntilMs: number;
  readonly forgetMs: number;
}

const CLEAN: PeerRecord = { offences: 0, bans: 0, bannedUntilMs: -Infinity, forgetMs: Infinity };

/**
 * Offences per peer id, for the life of the process: whoever comes back under the same id finds its record. Bans end by
 * themselves and grow with each repetition.
 */
export class PeerOffences {
  readonly #clock: Clock;
  /** The longest unchanged first. */
  readonly #records = new Map<string, PeerRecord>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True if the peer is banned from now on (also if it was before). */
  record(peerId: string): boolean {
    // What was under way when a ban began does not lengthen it.
    if (!this.isBanned(peerId)) this.#note(peerId, this.#offended(peerId));
    return this.isBanned(peerId);
  }

  isBanned(peerId: string): boolean {
    return this.#clock.monotonicMs() < this.#recordOf(peerId).bannedUntilMs;
  }

  #recordOf(peerId: string): PeerRecord {
    const record = this.#records.get(peerId);
    if (record === undefined || this.#clock.monotonicMs() < record.forgetMs) return record ?? CLEAN;
    this.#records.delete(peerId);
    return CLEAN;
  }

  #offended(peerId: string): PeerRecord {
    const nowMs = this.#clock.monotonicMs();
    const { offences, bans, bannedUntilMs } = this.#recordOf(peerId);
    if (offences + 1 < (bans === 0 ? OFFENCES_TO_BAN : OFFENCES_TO_BAN_AGAIN)) {
      return { offences: offences + 1, bans, bannedUntilMs, forgetMs: nowMs + FORGET_MS };
    }
    const endMs = nowMs + Math.min(LONGEST_BAN_MS, FIRST_BAN_MS * BAN_GROWTH ** bans);
    return { offences: 0, bans: bans + 1, bannedUntilMs: endMs, forgetMs: endMs + FORGET_MS };
  }

  #note(peerId: string, record: PeerRecord): void {
    this.#records.delete(peerId);
    this.#records.set(peerId, record);
    const oldest = this.#records.keys().next();
    if (this.#records.size > MAX_REMEMBERED && oldest.done !== true) this.#records.delete(oldest.value);
  }
}

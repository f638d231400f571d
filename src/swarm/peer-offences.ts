/** One offence can be a fault of memory or disk; three are a habit. */
const OFFENCES_TO_BAN = 3;
/** Bounds the memory; passes make peer ids scarce, so only stock clients could fill it. */
const MAX_REMEMBERED = 10_000;

/** Offences per peer id, for the life of the process; a peer that reconnects keeps its record. */
export class PeerOffences {
  readonly #counts = new Map<string, number>();

  /** True if the peer is banned from now on (also if it was before). */
  record(peerId: string): boolean {
    const count = (this.#counts.get(peerId) ?? 0) + 1;
    this.#counts.set(peerId, count);
    if (this.#counts.size > MAX_REMEMBERED) this.#forgetOldest(peerId);
    return count >= OFFENCES_TO_BAN;
  }

  isBanned(peerId: string): boolean {
    return (this.#counts.get(peerId) ?? 0) >= OFFENCES_TO_BAN;
  }

  #forgetOldest(except: string): void {
    for (const peerId of this.#counts.keys()) {
      if (peerId === except) continue;
      this.#counts.delete(peerId);
      return;
    }
  }
}

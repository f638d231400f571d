import type { TokenBucket } from "./rate-limit.ts";

/** Who was refused and does not ask again for so long (two ticks and a bit) wants nothing any more. */
const CLAIM_LIFE_MS = 250;

/** Who was refused looks again within this time: several times while its claim is kept, and not in a loop while others go first. */
const LOOK_AGAIN_MS = { least: 5, most: 50 };

/** A burst in so many steps: who has a choice takes little at a time, and the others need not wait long for their turn. */
const STEPS_PER_BURST = 4;

interface Share {
  readonly weight: number;
  /** Bytes taken per weight, on the common scale of the budget (start-time fair queueing). */
  virtualBytes: number;
  /** Refused at, and waiting since; undefined if it does not wait. */
  askedMs: number | undefined;
  servedMs: number;
}

/** One claimant's way to the budget. */
export interface BudgetClaim {
  /** Who can choose takes no more at a time than this. */
  readonly stepBytes: number;
  /** Takes the bytes if the bucket is open and it is this claimant's turn; if not, ask again within 250 ms. */
  tryTake(bytes: number, nowMs: number): boolean;
  /** After a refusal: milliseconds until it is worth asking again, 5 … 50. Who asks later holds the others up while it is its turn. */
  lookAgainMs(nowMs: number): number;
  /** Bytes that were taken and did not pass after all. */
  giveBack(bytes: number, nowMs: number): void;
  /** It wants nothing any more, ever. */
  leave(): void;
}

/**
 * One rate limit shared by several claimants (bundles; customers and the swarm) in proportion to their weights, whatever
 * the size of what they ask for. Who wants less than its share leaves the rest to the others.
 *
 * Start-time fair queueing (Goyal, Vin, Cheng 1996): of those who wait, the one that got least per weight goes first, and
 * who comes back after a pause starts level with the others.
 */
export class FairBudget {
  readonly #bucket: TokenBucket;
  readonly #shares = new Set<Share>();
  #virtualBytes = 0;

  constructor(bucket: TokenBucket) {
    this.#bucket = bucket;
  }

  /** @param weight above 0 */
  claim(weight = 1): BudgetClaim {
    const share: Share = { weight, virtualBytes: this.#virtualBytes, askedMs: undefined, servedMs: -Infinity };
    this.#shares.add(share);
    return {
      stepBytes: Math.ceil(this.#bucket.burstBytes / STEPS_PER_BURST),
      tryTake: (bytes, nowMs) => this.#tryTake(share, bytes, nowMs),
      lookAgainMs: (nowMs) => {
        const openMs = Math.ceil(this.#bucket.waitMs(nowMs));
        return Math.min(LOOK_AGAIN_MS.most, Math.max(LOOK_AGAIN_MS.least, openMs));
      },
      giveBack: (bytes, nowMs) => {
        this.#bucket.take(-bytes, nowMs);
        share.virtualBytes -= bytes / weight;
      },
      leave: () => void this.#shares.delete(share),
    };
  }

  #tryTake(share: Share, bytes: number, nowMs: number): boolean {
    if (!isWaiting(share, nowMs)) share.virtualBytes = Math.max(share.virtualBytes, this.#virtualBytes);
    share.askedMs = nowMs;
    if (!this.#bucket.isOpen(nowMs) || !this.#isItsTurn(share, nowMs)) return false;
    // Served: it waits for nothing until it is refused again.
    share.askedMs = undefined;
    share.servedMs = nowMs;
    this.#bucket.take(bytes, nowMs);
    this.#virtualBytes = share.virtualBytes;
    share.virtualBytes += bytes / share.weight;
    return true;
  }

  #isItsTurn(share: Share, nowMs: number): boolean {
    const isHalfFull = this.#bucket.tokens(nowMs) >= this.#bucket.burstBytes / 2;
    for (const other of this.#shares) {
      if (other === share || other.virtualBytes >= share.virtualBytes) continue;
      if (isWaiting(other, nowMs)) return false;
      // Half a burst is left to one of more weight that comes back soon; what it does not take runs over to the others.
      if (other.weight > share.weight && isBusy(other, nowMs) && !isHalfFull) return false;
    }
    return true;
  }
}

/** It was served a moment ago, and reads and sends that. */
function isBusy({ servedMs }: Share, nowMs: number): boolean {
  return nowMs - servedMs <= CLAIM_LIFE_MS;
}

function isWaiting({ askedMs }: Share, nowMs: number): boolean {
  return askedMs !== undefined && nowMs - askedMs <= CLAIM_LIFE_MS;
}

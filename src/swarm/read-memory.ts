/** Shorter reads are cheap to make memory for, and of many lengths. */
const LEAST_BYTES: number = 32 * 1024;
/** What waits to serve again; more than that was a peak. */
const MOST_FREE_BYTES: number = 4 * 1024 * 1024;

/**
 * Memory for what is read for peers, which serves again once it was sent: made anew for each read, it was most of what the garbage
 * collector of a giving program had to do. Who never gives it back leaves it to the collector.
 */
export class ReadMemory {
  /** The last that came back is the first to be taken: it is likely to be in the processor's cache. */
  readonly #free: Uint8Array[] = [];
  #freeBytes = 0;

  /** Of exactly this length, with anything in it; undefined for a short one. */
  take(lengthBytes: number): Uint8Array | undefined {
    if (lengthBytes < LEAST_BYTES) return undefined;
    const index = this.#free.findLastIndex(({ length }) => length === lengthBytes);
    if (index < 0) return Buffer.allocUnsafeSlow(lengthBytes);
    this.#freeBytes -= lengthBytes;
    return this.#free.splice(index, 1)[0];
  }

  /** Nobody looks at it any more. */
  giveBack(memory: Uint8Array): void {
    this.#free.push(memory);
    this.#freeBytes += memory.length;
    while (this.#freeBytes > MOST_FREE_BYTES) this.#freeBytes -= this.#free.shift()!.length;
  }

  /** Lets go of what waits. */
  clear(): void {
    this.#free.length = 0;
    this.#freeBytes = 0;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }
}

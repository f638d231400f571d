/** Made at a time; what was never used of it takes no room. */
const SLAB_BYTES: number = 4 * 1024 * 1024;

/**
 * Memory for pieces of bundles while they come, are checked and are written; the staging threads see it too. What is done with
 * serves again, the last first: memory of its own for each piece, given away to a thread, cost more in page faults and collected
 * garbage than its SHA-1.
 */
export class PieceMemory {
  readonly #pieceLength: number;
  readonly #free: Uint8Array[] = [];

  /** @param pieceLength the most that is taken at a time, in bytes */
  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength;
  }

  /** Of any contents. @param lengthBytes at most the piece length */
  take(lengthBytes: number): Uint8Array {
    if (this.#free.length === 0) this.#makeSlab();
    return this.#free.pop()!.subarray(0, lengthBytes);
  }

  /** @param bytes of {@link take}, which nobody reads any more */
  giveBack({ buffer, byteOffset }: Uint8Array): void {
    this.#free.push(new Uint8Array(buffer, byteOffset, this.#pieceLength));
  }

  #makeSlab(): void {
    const count = Math.max(1, Math.floor(SLAB_BYTES / this.#pieceLength));
    const slab = new SharedArrayBuffer(count * this.#pieceLength);
    for (let index = count - 1; index >= 0; index--) {
      this.#free.push(new Uint8Array(slab, index * this.#pieceLength, this.#pieceLength));
    }
  }
}

/**
 * For all bundles of a mirror, by the length of the pieces: a sync goes through them a window of paths at a time, and what one left serves the next.
 * With memory of its own for each turn of each bundle, slabs came and went by hundreds, and the C library kept twice what was in use.
 */
export class PieceMemories {
  /** Whole pieces that wait for their hashes. */
  unprovedBytes = 0;
  readonly #byLength = new Map<number, PieceMemory>();

  of(pieceLength: number): PieceMemory {
    let memory = this.#byLength.get(pieceLength);
    if (memory === undefined) {
      memory = new PieceMemory(pieceLength);
      this.#byLength.set(pieceLength, memory);
    }
    return memory;
  }

  /** The sync is over: all of it is left to the garbage collector, what a thread still reads as soon as that is done. */
  letGo(): void {
    this.#byLength.clear();
  }
}

/**
 * Copies bytes into shared memory. `set` of typed arrays does that by single atomic stores, six times slower; so does
 * `Buffer.copy` where it can call `set`, which is for the whole of a buffer.
 */
export function copyIntoShared(memory: Uint8Array, offset: number, { buffer, byteOffset, length }: Uint8Array): void {
  Buffer.from(buffer).copy(memory, offset, byteOffset, byteOffset + length);
}

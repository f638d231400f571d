/** Made at a time; what was never used of it takes no room. */
const SLAB_BYTES: number = 4 * 1024 * 1024;

/**
 * Memory for the pieces of a bundle while they come, are checked and are written; the staging threads see it too. What is done with
 * serves again, the last first: memory of its own for each piece, given away to a thread, cost more in page faults and collected
 * garbage than its SHA-1.
 */
export class PieceMemory {
  readonly #pieceLength: number;
  readonly #free: Uint8Array[] = [];

  /** @param pieceLength of the bundle, in bytes */
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
 * Copies bytes into shared memory. `set` of typed arrays does that by single atomic stores, six times slower; so does
 * `Buffer.copy` where it can call `set`, which is for the whole of a buffer.
 */
export function copyIntoShared(memory: Uint8Array, offset: number, { buffer, byteOffset, length }: Uint8Array): void {
  Buffer.from(buffer).copy(memory, offset, byteOffset, byteOffset + length);
}

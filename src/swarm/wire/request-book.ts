import type { BlockRequest } from "./peer-wire.ts";

/**
 * Open block requests of one direction of a connection, oldest first; O(1) each way, without an object per request.
 * At most one per start offset: two requests for the same start with different lengths do not occur between clients.
 */
export class RequestBook {
  readonly #pieceLength: number;
  readonly #capacity: number;
  /** Offset within the bundle → length. */
  readonly #lengths = new Map<number, number>();

  constructor(pieceLength: number, capacity: number) {
    this.#pieceLength = pieceLength;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#lengths.size;
  }

  add(request: BlockRequest): "added" | "duplicate" | "full" {
    const start = this.#start(request.piece, request.offset);
    if (this.#lengths.has(start)) return "duplicate";
    if (this.#lengths.size >= this.#capacity) return "full";
    this.#lengths.set(start, request.lengthBytes);
    return "added";
  }

  /** As {@link add}, but forgets the oldest where there is no room. */
  addForgetting(request: BlockRequest): void {
    for (const oldest of this.#lengths.keys()) {
      if (this.#lengths.size < this.#capacity) break;
      this.#lengths.delete(oldest);
    }
    this.#lengths.set(this.#start(request.piece, request.offset), request.lengthBytes);
  }

  /** Removes exactly this request; false if it is not open. */
  take(piece: number, offset: number, lengthBytes: number): boolean {
    const start = this.#start(piece, offset);
    return this.#lengths.get(start) === lengthBytes && this.#lengths.delete(start);
  }

  /** Removes and gives all, oldest first. */
  drain(): BlockRequest[] {
    const requests = [...this.#lengths].map(([start, lengthBytes]) => ({
      piece: Math.floor(start / this.#pieceLength),
      offset: start % this.#pieceLength,
      lengthBytes,
    }));
    this.#lengths.clear();
    return requests;
  }

  #start(piece: number, offset: number): number {
    return piece * this.#pieceLength + offset;
  }
}

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
  /** How often beyond once, of those that {@link addForgetting} met again. */
  readonly #again = new Map<number, number>();

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

  /** As {@link add}, but forgets the oldest where there is no room, and is to be taken as often as it was added. */
  addForgetting(request: BlockRequest): void {
    const start = this.#start(request.piece, request.offset);
    const isAgain = this.#lengths.get(start) === request.lengthBytes;
    if (isAgain) return void this.#again.set(start, (this.#again.get(start) ?? 0) + 1);
    for (const oldest of this.#lengths.keys()) {
      if (this.#lengths.size < this.#capacity) break;
      this.#lengths.delete(oldest);
      this.#again.delete(oldest);
    }
    this.#again.delete(start);
    this.#lengths.set(start, request.lengthBytes);
  }

  /** Removes exactly this request; false if it is not open. */
  take(piece: number, offset: number, lengthBytes: number): boolean {
    const start = this.#start(piece, offset);
    if (this.#lengths.get(start) !== lengthBytes) return false;
    const more = this.#again.get(start) ?? 0;
    if (more > 1) this.#again.set(start, more - 1);
    else if (more === 1) this.#again.delete(start);
    else this.#lengths.delete(start);
    return true;
  }

  /** Removes and gives all, oldest first. */
  drain(): BlockRequest[] {
    const requests = [...this.#lengths].map(([start, lengthBytes]) => ({
      piece: Math.floor(start / this.#pieceLength),
      offset: start % this.#pieceLength,
      lengthBytes,
    }));
    this.#lengths.clear();
    this.#again.clear();
    return requests;
  }

  #start(piece: number, offset: number): number {
    return piece * this.#pieceLength + offset;
  }
}

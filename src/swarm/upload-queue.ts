import type { BlockRequest } from "./wire/peer-wire.ts";

/** As Transmission; our own pipelines never hold more than 256. */
export const MAX_QUEUED_REQUESTS = 500;
/** Adjacent requests are read together, up to this: four requests of a 64 KiB piece cost one read. */
const MAX_READ_BYTES: number = 128 * 1024;
/** Under way per peer: two whole reads, so that while one is sent the next is fetched, or many of small contents. */
const READING_BYTES_PER_PEER: number = 2 * MAX_READ_BYTES;
const READS_PER_PEER = 16;

/** One read from storage that answers adjacent requests of one peer. */
export interface UploadRead {
  readonly key: number;
  readonly piece: number;
  readonly offset: number;
  readonly lengthBytes: number;
  /** In order, adjacent; those cancelled meanwhile are taken out. */
  readonly requests: Set<BlockRequest>;
}

interface PeerQueue {
  readonly waiting: BlockRequest[];
  readonly reads: Set<UploadRead>;
}

/** Requests of all peers of one bundle: bounded per peer, served round-robin, a few reads at a time each. */
export class UploadQueue {
  /** In order of turn: who was served goes to the end. */
  readonly #peers = new Map<number, PeerQueue>();

  /** "full" and "duplicate" are not kept; the caller rejects what does not fit. */
  add(key: number, request: BlockRequest): "queued" | "duplicate" | "full" {
    let queue = this.#peers.get(key);
    if (queue === undefined) {
      queue = { waiting: [], reads: new Set() };
      this.#peers.set(key, queue);
    }
    if (queue.waiting.length >= MAX_QUEUED_REQUESTS) return "full";
    if (queue.waiting.some((other) => isSameRequest(other, request))) return "duplicate";
    queue.waiting.push(request);
    return "queued";
  }

  /** True if the request was still waiting or being read and will not be answered now. */
  cancel(key: number, request: BlockRequest): boolean {
    const queue = this.#peers.get(key);
    if (queue === undefined) return false;
    const index = queue.waiting.findIndex((other) => isSameRequest(other, request));
    if (index >= 0) {
      queue.waiting.splice(index, 1);
      return true;
    }
    for (const read of queue.reads) {
      for (const other of read.requests) if (isSameRequest(other, request)) return read.requests.delete(other);
    }
    return false;
  }

  /** Takes out all requests of a peer that was choked or has gone. */
  drop(key: number): BlockRequest[] {
    const queue = this.#peers.get(key);
    if (queue === undefined) return [];
    const dropped = [...queue.waiting];
    for (const read of queue.reads) {
      dropped.push(...read.requests);
      read.requests.clear();
    }
    this.#peers.delete(key);
    return dropped;
  }

  /** Are blocks of this piece waiting or being read for the peer? */
  hasPiece(key: number, piece: number): boolean {
    const queue = this.#peers.get(key);
    if (queue === undefined) return false;
    for (const read of queue.reads) if (read.piece === piece && read.requests.size > 0) return true;
    return queue.waiting.some((request) => request.piece === piece);
  }

  queuedCount(key: number): number {
    return this.#peers.get(key)?.waiting.length ?? 0;
  }

  /** The next read whose turn it is, among peers that can take more; call {@link finished} when it is done. */
  nextRead(canTake: (key: number) => boolean): UploadRead | undefined {
    for (const [key, queue] of this.#peers) {
      if (!isReady(queue) || !canTake(key)) continue;
      const read = takeAdjacent(key, queue.waiting);
      queue.reads.add(read);
      this.#peers.delete(key);
      this.#peers.set(key, queue);
      return read;
    }
    return undefined;
  }

  /**
   * Whether {@link nextRead} would give one. A claim on a shared budget rests on it: who asks for a turn and then has
   * nothing to send keeps all others waiting.
   */
  hasNext(canTake: (key: number) => boolean): boolean {
    for (const [key, queue] of this.#peers) {
      if (isReady(queue) && canTake(key)) return true;
    }
    return false;
  }

  finished(read: UploadRead): void {
    this.#peers.get(read.key)?.reads.delete(read);
  }
}

/** Does something wait, and is there room for one more whole read? */
function isReady({ waiting, reads }: PeerQueue): boolean {
  if (waiting.length === 0 || reads.size >= READS_PER_PEER) return false;
  let bytes = 0;
  for (const read of reads) bytes += read.lengthBytes;
  return bytes + MAX_READ_BYTES <= READING_BYTES_PER_PEER;
}

function takeAdjacent(key: number, waiting: BlockRequest[]): UploadRead {
  const first = waiting[0]!;
  let count = 0;
  let end = first.offset;
  for (const request of waiting) {
    const isAdjacent = request.piece === first.piece && request.offset === end;
    if (!isAdjacent || (count > 0 && end + request.lengthBytes - first.offset > MAX_READ_BYTES)) break;
    end += request.lengthBytes;
    count++;
  }
  const requests = new Set(waiting.splice(0, count));
  return { key, piece: first.piece, offset: first.offset, lengthBytes: end - first.offset, requests };
}

function isSameRequest(a: BlockRequest, b: BlockRequest): boolean {
  return a.piece === b.piece && a.offset === b.offset && a.lengthBytes === b.lengthBytes;
}

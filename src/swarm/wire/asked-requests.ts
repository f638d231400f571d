import { RequestBook } from "./request-book.ts";
import type { BlockRequest } from "./peer-wire.ts";

/** Requests that were cancelled, or lost by a choke, and whose answer may still be on its way; the oldest are forgotten. */
const MAX_CANCELLED = 2_048;

/** What an answer belongs to: an open request, one that was cancelled, or none. */
export type AnswerKind = "open" | "cancelled" | "unasked";

/**
 * What was asked of a peer over one connection. A cancelled request is answered too (BEP 6), by a reject or by a block that had left before: that is
 * no answer to a request for the same block that was made since.
 */
export class AskedRequests {
  readonly #open: RequestBook;
  readonly #cancelled: RequestBook;

  constructor(pieceLength: number) {
    this.#open = new RequestBook(pieceLength, Infinity);
    this.#cancelled = new RequestBook(pieceLength, MAX_CANCELLED);
  }

  /** False if it is open already. */
  add(request: BlockRequest): boolean {
    return this.#open.add(request) === "added";
  }

  /** False if it is not open. */
  cancel(request: BlockRequest): boolean {
    if (!this.#open.take(request.piece, request.offset, request.lengthBytes)) return false;
    this.#cancelled.addForgetting(request);
    return true;
  }

  /** Whichever request it answers, its bytes are what the open one wants. */
  takeBlock(piece: number, offset: number, lengthBytes: number): AnswerKind {
    if (this.#open.take(piece, offset, lengthBytes)) return "open";
    return this.#cancelled.take(piece, offset, lengthBytes) ? "cancelled" : "unasked";
  }

  /** Answers come in the order of the requests: the cancelled one's comes first. */
  takeReject({ piece, offset, lengthBytes }: BlockRequest): AnswerKind {
    if (this.#cancelled.take(piece, offset, lengthBytes)) return "cancelled";
    return this.#open.take(piece, offset, lengthBytes) ? "open" : "unasked";
  }

  /** A choke of a peer without BEP 6 ended them all, without an answer to each. @returns what was open */
  choked(): BlockRequest[] {
    const requests = this.#open.drain();
    for (const request of requests) this.#cancelled.addForgetting(request);
    return requests;
  }
}

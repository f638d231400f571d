import Wire from "bittorrent-protocol";
import { MESSAGE, uint32 } from "../swarm/wire/frame-rules.ts";
import type { BlockRequest } from "../swarm/wire/peer-wire.ts";

/**
 * What may stand before what: a `block` is long and waits for the line; an `urgent` frame may overtake blocks and whatever
 * stands among them; all others keep their place behind blocks.
 */
export type FrameKind = "block" | "urgent" | "ordered";

/** A whole frame, in the pieces in which it was made. */
export interface OutgoingFrame {
  readonly parts: readonly Uint8Array[];
  readonly lengthBytes: number;
  readonly kind: FrameKind;
  /** Its parts are no longer looked at. Where the connection ends before, it comes after the end, or not at all. */
  readonly onSent?: (() => void) | undefined;
}

/** First byte of BEP 3's handshake; as that of a length it would be a frame of 318 MB. */
const HANDSHAKE_MARK = 19;
/** BEP 10. */
const EXTENDED_HANDSHAKE = 0;
/**
 * What says nothing of the blocks before it. Choke, unchoke and reject do: a client without BEP 6 throws away what comes after a
 * choke. Who has no info dictionary can't prove, and so can't pass on, the blocks that it has: that comes before more of them.
 */
const URGENT: ReadonlySet<number | undefined> = new Set([
  MESSAGE.interested,
  MESSAGE.uninterested,
  MESSAGE.have,
  MESSAGE.bitfield,
  MESSAGE.request,
  MESSAGE.cancel,
  MESSAGE.haveAll,
  MESSAGE.haveNone,
  MESSAGE.extended,
]);

/** Length prefix and id. */
const HEAD_BYTES = 5;
const HAVE_BYTES: number = HEAD_BYTES + 4;
const BLOCK_HEAD_BYTES: number = HEAD_BYTES + 8;
const REQUEST_BYTES: number = HEAD_BYTES + 12;

/**
 * The wire library as a plain codec: frames in and bytes out without a tick between, so that everything a frame causes
 * has happened when {@link receive} returns. Its stream side is not used; the gate and the send queue take its place.
 *
 * Have, request and piece, nearly all frames there are, pass by the library: it keeps books of its own on them, makes words for
 * a log that nobody reads, and parses a whole frame as a stream. After the handshake it keeps nothing between two frames.
 */
export class FrameWire extends Wire {
  readonly #send: (frame: OutgoingFrame) => void;
  /** Parts of a frame that is not whole yet: the library gives head and payload one after the other. */
  #parts: Uint8Array[] = [];
  #missingBytes = 0;

  constructor(type: "tcpIncoming" | "tcpOutgoing", send: (frame: OutgoingFrame) => void) {
    super(type);
    this.#send = send;
    // A stream without an error listener takes the process with it.
    this.on("error", noop);
  }

  override push(chunk: Uint8Array | null): boolean {
    if (chunk === null) return super.push(null);
    const isFirst = this.#parts.length === 0;
    if (isFirst) this.#missingBytes = lengthOfFrame(chunk);
    this.#parts.push(chunk);
    this.#missingBytes -= chunk.length;
    if (this.#missingBytes > 0) return true;
    const [head] = this.#parts;
    this.#send({ parts: this.#parts, lengthBytes: lengthOfFrame(head!), kind: kindOf(head!) });
    this.#parts = [];
    return true;
  }

  /** @param frame whole and judged by the gate; the bytes of a block are told as a part of it, and last as long as it does */
  receive(frame: Uint8Array): void {
    if (!this.#hear(frame)) this._write(Buffer.from(frame), noop); // of which it keeps parts
  }

  /** BEP 10: an extended handshake may come again, with what became known since. */
  repeatExtendedHandshake(news: Readonly<Record<string, unknown>>): void {
    this.extendedHandshake = { ...this.extendedHandshake, ...news };
    const m = Object.fromEntries(Object.entries(this.extendedMapping).map(([id, name]) => [name, Number(id)]));
    this.extended(EXTENDED_HANDSHAKE, { ...this.extendedHandshake, m });
  }

  override have(piece: number): void {
    this.#sendShort("urgent", headOf(HAVE_BYTES, MESSAGE.have, [piece]));
  }

  override request(piece: number, offset: number, lengthBytes: number): void {
    this.#sendShort("urgent", headOf(REQUEST_BYTES, MESSAGE.request, [piece, offset, lengthBytes]));
  }

  override piece(piece: number, offset: number, bytes: Uint8Array, onSent?: () => void): void {
    const request = { piece, offset, lengthBytes: bytes.length };
    const lengthBytes = BLOCK_HEAD_BYTES + bytes.length;
    this.#send({ parts: [headOfBlock(request), bytes], lengthBytes, kind: "block", onSent });
  }

  #sendShort(kind: FrameKind, frame: Uint8Array): void {
    this.#send({ parts: [frame], lengthBytes: frame.length, kind });
  }

  /** Tells of the frame without the library; false if that has to take it. */
  #hear(frame: Uint8Array): boolean {
    if (frame[0] === HANDSHAKE_MARK) return false;
    switch (frame.length > HEAD_BYTES ? frame[4] : undefined) {
      case MESSAGE.have:
        return this.emit("have", uint32(frame, 5)) || true;
      case MESSAGE.piece:
        return this.emit("piece", uint32(frame, 5), uint32(frame, 9), frame.subarray(BLOCK_HEAD_BYTES)) || true;
      case MESSAGE.request:
        // The library rejects what a choked peer asks for.
        if (this.amChoking) return false;
        return this.emit("request", uint32(frame, 5), uint32(frame, 9), uint32(frame, 13)) || true;
      default:
        return false;
    }
  }
}

/** What the frame of the block begins with that answers this request: no other frame does, but one for the same request. */
export function headOfBlock({ piece, offset, lengthBytes }: BlockRequest): Uint8Array {
  return headOf(BLOCK_HEAD_BYTES + lengthBytes, MESSAGE.piece, [piece, offset]);
}

/** The beginning of a frame: its numbers up to the payload, all that short ones have. @param lengthBytes of the whole frame */
function headOf(lengthBytes: number, id: number, numbers: readonly number[]): Uint8Array {
  const head = Buffer.allocUnsafe(HEAD_BYTES + 4 * numbers.length);
  head.writeUInt32BE(lengthBytes - 4, 0);
  head[4] = id;
  for (let index = 0; index < numbers.length; index++) head.writeUInt32BE(numbers[index]!, HEAD_BYTES + 4 * index);
  return head;
}

function lengthOfFrame(head: Uint8Array): number {
  return head[0] === HANDSHAKE_MARK ? head.length : 4 + uint32(head, 0);
}

function kindOf(head: Uint8Array): FrameKind {
  if (head[0] === HANDSHAKE_MARK || head.length < 5) return "ordered";
  if (head[4] === MESSAGE.piece) return "block";
  return URGENT.has(head[4]) ? "urgent" : "ordered";
}

function noop(): void {
  // nothing to do
}

import Wire from "bittorrent-protocol";
import { MESSAGE, uint32 } from "../swarm/wire/frame-rules.ts";

/**
 * What may stand before what: a `block` is long and waits for the line; an `urgent` frame may overtake blocks and whatever
 * stands among them; all others keep their place behind blocks.
 */
export type FrameKind = "block" | "urgent" | "ordered";

/** A whole frame, in the pieces in which it was made. */
export interface OutgoingFrame {
  readonly parts: readonly Uint8Array[];
  readonly kind: FrameKind;
}

/** Longest extended message that does not wait. */
const SHORT_BYTES = 64;
/** First byte of BEP 3's handshake; as that of a length it would be a frame of 318 MB. */
const HANDSHAKE_MARK = 19;
/**
 * What says nothing of the blocks before it. Choke, unchoke and reject do: a client without BEP 6 throws away what comes after a
 * choke. Of extended messages long ones (blocks of the info dictionary) wait, and short ones (`lt_donthave`) do not.
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
]);

/**
 * The wire library as a plain codec: frames in and bytes out without a tick between, so that everything a frame causes
 * has happened when {@link receive} returns. Its stream side is not used; the gate and the send queue take its place.
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
    this.#send({ parts: this.#parts, kind: kindOf(head!) });
    this.#parts = [];
    return true;
  }

  /** @param frame whole and judged by the gate */
  receive(frame: Uint8Array): void {
    this._write(frame, noop);
  }
}

function lengthOfFrame(head: Uint8Array): number {
  return head[0] === HANDSHAKE_MARK ? head.length : 4 + uint32(head, 0);
}

function kindOf(head: Uint8Array): FrameKind {
  if (head[0] === HANDSHAKE_MARK || head.length < 5) return "ordered";
  if (head[4] === MESSAGE.piece) return "block";
  if (head[4] === MESSAGE.extended) return uint32(head, 0) <= SHORT_BYTES ? "urgent" : "ordered";
  return URGENT.has(head[4]) ? "urgent" : "ordered";
}

function noop(): void {
  // nothing to do
}

import type { Bitfield } from "../../src/core/bitfield.ts";
import { Bitfield as BitfieldValue } from "../../src/core/bitfield.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { BlockRequest, PeerWire, PeerWireListener } from "../../src/swarm/wire/peer-wire.ts";

/** The way out of one host: messages of all its connections leave one after the other. */
export class MemoryLink {
  readonly bytesPerSecond: number;
  /** Everything that ever left. */
  sentBytes = 0;
  #freeMs = 0;

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** When the last byte of a message handed over now has left. */
  leave(bytes: number, nowMs: number): number {
    this.sentBytes += bytes;
    this.#freeMs = Math.max(this.#freeMs, nowMs) + (bytes / this.bytesPerSecond) * 1000;
    return this.#freeMs;
  }
}

/** One end of a connection. */
export interface MemoryEnd {
  readonly peerId: string;
  readonly isOrigin?: boolean;
  readonly isStockClient?: boolean;
  readonly supportsFast?: boolean;
  readonly metadataSizeBytes?: number;
  readonly link: MemoryLink;
  /** A hostile peer: what becomes of the blocks it sends; undefined swallows them. */
  readonly tamper?: (bytes: Uint8Array) => Uint8Array | undefined;
}

const LOW_MARK = 128 * 1024;

/** PeerWire without sockets: bytes take their time over the sender's link, then `delayMs`. */
export class MemoryWire implements PeerWire {
  readonly peerId: string;
  readonly isStockClient: boolean;
  readonly isOrigin: boolean;
  readonly supportsFast: boolean;
  readonly metadataSizeBytes: number | undefined;
  readonly remoteHost = "memory";
  receivedBytes = 0;
  sentBytes = 0;
  queuedBytes = 0;
  listener: PeerWireListener | undefined;
  /** Requests that went out, for the tests to look at. */
  readonly requests: BlockRequest[] = [];
  readonly #local: MemoryEnd;
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #open = new Set<string>();
  readonly #inFlight: { readonly atMs: number; readonly bytes: number; readonly arrive: (to: MemoryWire) => void }[] =
    [];
  #other!: MemoryWire;
  #isClosed = false;

  private constructor(ends: { local: MemoryEnd; remote: MemoryEnd }, clock: Clock, delayMs: number) {
    this.#local = ends.local;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.peerId = ends.remote.peerId;
    this.isOrigin = ends.remote.isOrigin ?? false;
    this.isStockClient = ends.remote.isStockClient ?? false;
    this.supportsFast = (ends.remote.supportsFast ?? true) && (ends.local.supportsFast ?? true);
    this.metadataSizeBytes = ends.remote.metadataSizeBytes;
  }

  /** Both ends; set their listeners before time goes on. */
  static pair(a: MemoryEnd, b: MemoryEnd, time: { clock: Clock; delayMs: number }): [MemoryWire, MemoryWire] {
    const atA = new MemoryWire({ local: a, remote: b }, time.clock, time.delayMs);
    const atB = new MemoryWire({ local: b, remote: a }, time.clock, time.delayMs);
    atA.#other = atB;
    atB.#other = atA;
    return [atA, atB];
  }

  sendHeld(held: Bitfield): void {
    const copy = BitfieldValue.parse(held.toBytes(), held.length);
    this.#send(5 + copy.toBytes().length, (to) => to.listener?.onHeld(copy));
  }
  sendHave(piece: number): void {
    this.#send(9, (to) => to.listener?.onHave(piece));
  }
  sendChoke(): void {
    this.#send(5, (to) => to.listener?.onChoke());
  }
  sendUnchoke(): void {
    this.#send(5, (to) => to.listener?.onUnchoke());
  }
  sendInterested(): void {
    this.#send(5, (to) => to.listener?.onInterested());
  }
  sendUninterested(): void {
    this.#send(5, (to) => to.listener?.onUninterested());
  }
  sendRequest(request: BlockRequest): void {
    this.requests.push(request);
    this.#open.add(keyOf(request));
    this.#send(17, (to) => to.listener?.onRequest(request));
  }
  sendCancel(request: BlockRequest): void {
    this.#open.delete(keyOf(request));
    this.#send(17, (to) => to.listener?.onCancel(request));
  }
  sendBlock(piece: number, offset: number, bytes: Uint8Array): void {
    const sent = this.#local.tamper === undefined ? Uint8Array.from(bytes) : this.#local.tamper(Uint8Array.from(bytes));
    if (sent === undefined) return;
    this.#send(13 + sent.length, (to) => {
      if (!to.#open.delete(keyOf({ piece, offset, lengthBytes: sent.length }))) return;
      to.listener?.onBlock(piece, offset, sent);
    });
  }
  sendReject(request: BlockRequest): void {
    if (!this.supportsFast) return;
    this.#send(17, (to) => {
      if (to.#open.delete(keyOf(request))) to.listener?.onReject(request);
    });
  }
  sendMetadataRequest(index: number): void {
    this.#send(30, (to) => to.listener?.onMetadataRequest(index));
  }
  sendMetadataBlock(index: number, _totalBytes: number, bytes: Uint8Array): void {
    const copy = Uint8Array.from(bytes);
    this.#send(50 + copy.length, (to) => to.listener?.onMetadataBlock(index, copy));
  }
  sendMetadataReject(index: number): void {
    this.#send(30, (to) => to.listener?.onMetadataBlock(index, undefined));
  }

  close(reason: string): void {
    for (const wire of [this, this.#other]) {
      if (wire.#isClosed) continue;
      wire.#isClosed = true;
      this.#clock.schedule(0, () => wire.listener?.onClose(reason));
    }
  }

  #send(bytes: number, arrive: (to: MemoryWire) => void): void {
    if (this.#isClosed) return;
    this.sentBytes += bytes;
    this.queuedBytes += bytes;
    const atMs = this.#local.link.leave(bytes, this.#clock.monotonicMs()) + this.#delayMs;
    this.#inFlight.push({ atMs, bytes, arrive });
    if (this.#inFlight.length === 1) this.#scheduleNext();
  }

  #scheduleNext(): void {
    const next = this.#inFlight[0];
    if (next === undefined) return;
    this.#clock.schedule(Math.max(0, next.atMs - this.#clock.monotonicMs()), () => {
      this.#inFlight.shift();
      this.#scheduleNext();
      const wasAbove = this.queuedBytes >= LOW_MARK;
      this.queuedBytes -= next.bytes;
      if (this.#isClosed) return;
      this.#other.receivedBytes += next.bytes;
      next.arrive(this.#other);
      if (wasAbove && this.queuedBytes < LOW_MARK) this.listener?.onDrain();
    });
  }
}

function keyOf({ piece, offset, lengthBytes }: BlockRequest): string {
  return `${piece}:${offset}:${lengthBytes}`;
}

import { Bitfield } from "../core/bitfield.ts";
import type { BlockRequest, PeerWire, PeerWireListener } from "../swarm/wire/peer-wire.ts";
import { AskedRequests } from "../swarm/wire/asked-requests.ts";
import { RequestBook } from "../swarm/wire/request-book.ts";
import { Flow, type Message, type SimLink } from "./network.ts";

/** Below so many queued bytes a wire tells that it drained: what net/ does. */
const LOW_MARK_BYTES: number = 128 * 1024;
/** As net/ bounds it. */
const MAX_INCOMING_REQUESTS = 500;

/** One end of a connection. */
export interface WireEnd {
  readonly peerId: string;
  readonly host: string;
  readonly link: SimLink;
  readonly isOrigin?: boolean;
  /** As its pass says. */
  readonly site?: string;
  readonly isStockClient?: boolean;
  readonly supportsFast?: boolean;
  readonly metadataSizeBytes?: number;
  /** A hostile peer: what becomes of the blocks it sends; undefined swallows them. */
  readonly tamper?: (bytes: Uint8Array) => Uint8Array | undefined;
  /** Payload came in over one of its connections, wanted or not. */
  readonly onPayload?: (fromPeerId: string, bytes: number) => void;
}

/**
 * PeerWire over the simulated network, with the promises of the real one: each request gets one answer at most, a choke
 * rejects what is open (BEP 6), nothing that was not asked for gets through.
 */
export class SimWire implements PeerWire {
  readonly peerId: string;
  readonly isStockClient: boolean;
  readonly isOrigin: boolean;
  readonly site: string | undefined;
  readonly supportsFast: boolean;
  metadataSizeBytes: number | undefined;
  readonly remoteHost: string;
  receivedBytes = 0;
  /** Handed over, as a socket counts it. */
  #acceptedBytes = 0;
  /** Requests that went out. */
  requestCount = 0;
  requestedBytes = 0;
  readonly #local: WireEnd;
  readonly #flow: Flow;
  readonly #asked: AskedRequests;
  readonly #incoming: RequestBook;
  /** Blocks on their way, by what they answer. */
  readonly #given = new Map<string, Message>();
  #listener: PeerWireListener | undefined;
  #other!: SimWire;
  #isClosed = false;
  #toldSizeBytes: number | undefined;

  private constructor(ends: { readonly local: WireEnd; readonly remote: WireEnd }, pieceLength: number) {
    const { local, remote } = ends;
    this.#local = local;
    this.#flow = new Flow(local.link, remote.link);
    this.#asked = new AskedRequests(pieceLength);
    this.#incoming = new RequestBook(pieceLength, MAX_INCOMING_REQUESTS);
    this.peerId = remote.peerId;
    this.remoteHost = remote.host;
    this.isOrigin = remote.isOrigin ?? false;
    this.site = remote.site;
    this.isStockClient = remote.isStockClient ?? false;
    this.supportsFast = (remote.supportsFast ?? true) && (local.supportsFast ?? true);
    this.metadataSizeBytes = remote.metadataSizeBytes;
    this.#toldSizeBytes = local.metadataSizeBytes;
  }

  /** Both ends of an established connection; set their listeners before time goes on. */
  static pair(a: WireEnd, b: WireEnd, pieceLength: number): [SimWire, SimWire] {
    const atA = new SimWire({ local: a, remote: b }, pieceLength);
    const atB = new SimWire({ local: b, remote: a }, pieceLength);
    atA.#other = atB;
    atB.#other = atA;
    return [atA, atB];
  }

  set listener(listener: PeerWireListener) {
    this.#listener = listener;
    let wasAbove = false;
    this.#flow.onSent = () => {
      const isAbove = this.#flow.queuedBytes >= LOW_MARK_BYTES;
      if (wasAbove && !isAbove) listener.onDrain();
      wasAbove = isAbove;
    };
  }

  get sentBytes(): number {
    return this.#acceptedBytes - this.#flow.queuedBytes;
  }

  get queuedBytes(): number {
    return this.#flow.queuedBytes;
  }

  sendHeld(held: Bitfield): void {
    const copy = Bitfield.parse(held.toBytes(), held.length);
    const bytes = this.supportsFast && (held.isFull || held.count === 0) ? 5 : 5 + Math.ceil(held.length / 8);
    this.#sendUrgent(bytes, (to) => to.onHeld(copy));
  }
  sendHave(piece: number): void {
    this.#sendUrgent(9, (to) => to.onHave(piece));
  }
  sendDontHave(piece: number): void {
    this.#sendUrgent(10, (to) => to.onDontHave(piece));
  }
  sendChoke(): void {
    const rejected = this.#incoming.drain();
    const other = this.#other;
    this.#send(5, (to) => {
      to.onChoke();
      if (!this.supportsFast) for (const request of other.#asked.choked()) to.onReject(request);
    });
    for (const request of rejected) this.#reject(request);
  }
  sendUnchoke(): void {
    this.#send(5, (to) => to.onUnchoke());
  }
  sendInterested(): void {
    this.#sendUrgent(5, (to) => to.onInterested());
  }
  sendUninterested(): void {
    this.#sendUrgent(5, (to) => to.onUninterested());
  }

  sendRequest(request: BlockRequest): void {
    this.#asked.add(request);
    this.requestCount++;
    this.requestedBytes += request.lengthBytes;
    const other = this.#other;
    this.#sendUrgent(17, (to) => {
      if (other.#incoming.add(request) === "added") to.onRequest(request);
      else other.#reject(request);
    });
  }

  /** BEP 6: a cancelled request is answered too, by a reject. */
  sendCancel(request: BlockRequest): void {
    const { piece, offset, lengthBytes } = request;
    this.#asked.cancel(request);
    const other = this.#other;
    this.#sendUrgent(17, (to) => {
      if (!other.#incoming.take(piece, offset, lengthBytes) && !other.#withdraw(request)) return;
      other.#reject(request);
      to.onCancel(request);
    });
  }

  /** Nothing is copied on the way, so the bytes never become the caller's again. */
  sendBlock(piece: number, offset: number, bytes: Uint8Array, _onSent?: () => void): void {
    if (!this.#incoming.take(piece, offset, bytes.length)) return;
    const sent = this.#local.tamper === undefined ? bytes : this.#local.tamper(bytes.slice());
    if (sent === undefined) return;
    const other = this.#other;
    const name = nameOf({ piece, offset, lengthBytes: sent.length });
    const message = this.#send(13 + sent.length, (to) => {
      this.#given.delete(name);
      other.#local.onPayload?.(this.#local.peerId, sent.length);
      if (other.#asked.takeBlock(piece, offset, sent.length) === "open") to.onBlock(piece, offset, sent);
    });
    if (message !== undefined) this.#given.set(name, message);
  }

  sendReject(request: BlockRequest): void {
    if (this.#incoming.take(request.piece, request.offset, request.lengthBytes)) this.#reject(request);
  }

  sendMetadataSize(sizeBytes: number): void {
    const other = this.#other;
    if (this.isStockClient || this.#toldSizeBytes === sizeBytes) return;
    this.#toldSizeBytes = sizeBytes;
    this.#send(150, () => {
      other.metadataSizeBytes = sizeBytes;
    });
  }
  sendMetadataRequest(index: number): void {
    this.#send(30, (to) => to.onMetadataRequest(index));
  }
  sendMetadataBlock(index: number, _totalBytes: number, bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.#send(50 + copy.length, (to) => to.onMetadataBlock(index, copy));
  }
  sendMetadataReject(index: number): void {
    this.#send(30, (to) => to.onMetadataBlock(index, undefined));
  }

  /** The other side hears of it when the news has crossed the network. */
  close(reason: string): void {
    this.#end(reason, 0);
    this.#other.#end(reason, this.#flow.delayMs);
  }

  /** The host lost power: nothing is said, the other side finds out by itself after `noticedMs`. */
  vanish(noticedMs: number): void {
    this.#isClosed = true;
    this.#flow.close();
    this.#other.#flow.close();
    this.#other.#end("connection timed out", noticedMs);
  }

  #end(reason: string, delayMs: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#local.link.clock.schedule(delayMs, () => {
      this.#flow.close();
      this.#listener?.onClose(reason);
    });
  }

  /** A block that waits for the line is taken back. */
  #withdraw(request: BlockRequest): boolean {
    const message = this.#given.get(nameOf(request));
    if (message === undefined || !this.#flow.withdraw(message)) return false;
    this.#acceptedBytes -= message.bytes;
    return this.#given.delete(nameOf(request));
  }

  #reject(request: BlockRequest): void {
    if (!this.supportsFast) return;
    const other = this.#other;
    this.#send(17, (to) => {
      if (other.#asked.takeReject(request) === "open") to.onReject(request);
    });
  }

  /** What need not keep its place behind blocks. */
  #sendUrgent(bytes: number, deliver: (to: PeerWireListener) => void): void {
    this.#send(bytes, deliver, { isUrgent: true });
  }

  #send(bytes: number, deliver: (to: PeerWireListener) => void, { isUrgent = false } = {}): Message | undefined {
    if (this.#isClosed) return undefined;
    this.#acceptedBytes += bytes;
    const arrive = (): void => {
      const other = this.#other;
      if (other.#isClosed) return;
      other.receivedBytes += bytes;
      if (other.#listener !== undefined) deliver(other.#listener);
    };
    return this.#flow.send(bytes, arrive, { isUrgent });
  }
}

function nameOf({ piece, offset, lengthBytes }: BlockRequest): string {
  return `${piece} ${offset} ${lengthBytes}`;
}

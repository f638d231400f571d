import { Bitfield } from "../core/bitfield.ts";
import { encodeDontHave, parseDontHave } from "../swarm/wire/dont-have-message.ts";
import type { PieceGeometry } from "../swarm/wire/frame-rules.ts";
import { encodeMetadataMessage, parseMetadataMessage, type MetadataMessage } from "../swarm/wire/metadata-message.ts";
import { MinuteBudget } from "../swarm/wire/minute-budget.ts";
import type { BlockRequest, PeerWire, PeerWireListener } from "../swarm/wire/peer-wire.ts";
import { RequestBook } from "../swarm/wire/request-book.ts";
import { type AnswerKind, AskedRequests } from "../swarm/wire/asked-requests.ts";
import type { Clock } from "../core/clock.ts";
import { headOfBlock } from "./frame-wire.ts";
import type { PeerLink } from "./peer-link.ts";
import { SEND_HIGH_MARK_BYTES } from "./send-queue.ts";

/** Open requests of a peer; stock clients hold 250 to 500. Told to them as `reqq`. */
export const MAX_INCOMING_REQUESTS = 500;
/** Blocks and rejects that nobody asked for, before the connection ends. */
const MAX_UNREQUESTED = 50;
/** Requests beyond the queue, and repeated ones. */
const SURPLUS_REQUESTS_PER_MINUTE = 5000;

export interface AdmittedPeer {
  readonly peerId: string;
  readonly isStockClient: boolean;
  readonly isOrigin: boolean;
  readonly site: string | undefined;
  readonly geometry: PieceGeometry;
  readonly clock: Clock;
}

/**
 * An established connection over a socket. Keeps the book on requests of both directions, so that each request of the
 * peer gets one answer at most and each of ours ends in one of onBlock, onReject, cancel or onClose.
 */
export class SocketPeerWire implements PeerWire {
  readonly peerId: string;
  readonly isStockClient: boolean;
  readonly isOrigin: boolean;
  readonly site: string | undefined;
  readonly remoteHost: string;
  readonly #link: PeerLink;
  readonly #peer: AdmittedPeer;
  readonly #asked: AskedRequests;
  readonly #incoming: RequestBook;
  readonly #surplus = new MinuteBudget(SURPLUS_REQUESTS_PER_MINUTE);
  readonly #askedMetadata = new Set<number>();
  #unrequested = 0;
  #listener: PeerWireListener | undefined;

  constructor(link: PeerLink, peer: AdmittedPeer) {
    this.#link = link;
    this.#peer = peer;
    this.peerId = peer.peerId;
    this.isStockClient = peer.isStockClient;
    this.isOrigin = peer.isOrigin;
    this.site = peer.site;
    this.remoteHost = link.remoteHost;
    const { pieceLength } = peer.geometry;
    this.#asked = new AskedRequests(pieceLength);
    this.#incoming = new RequestBook(pieceLength, MAX_INCOMING_REQUESTS);
    link.onClose = (reason) => this.#listener?.onClose(reason);
    link.onDrain = () => this.#listener?.onDrain();
  }

  /** Once. What the peer said since is waiting and comes right after the current call stack. */
  setListener(listener: PeerWireListener): void {
    if (this.#listener !== undefined) throw new Error("a peer wire has one listener");
    this.#listener = listener;
    const { closeReason } = this.#link;
    if (closeReason !== undefined) process.nextTick(() => listener.onClose(closeReason));
    else {
      this.#attach(listener);
      this.#link.resume();
    }
  }

  get supportsFast(): boolean {
    return this.#link.wire.hasFast;
  }

  get metadataSizeBytes(): number | undefined {
    const handshake = this.#link.gate.extendedHandshake;
    return handshake?.extensionIds.has("ut_metadata") === true ? handshake.metadataSizeBytes : undefined;
  }

  get receivedBytes(): number {
    return this.#link.socket.bytesRead;
  }

  get sentBytes(): number {
    return this.#link.socket.bytesWritten;
  }

  get queuedBytes(): number {
    return this.#link.queue.queuedBytes;
  }

  /** Blocks and rejects that were not asked for, so far. */
  get unrequestedCount(): number {
    return this.#unrequested;
  }

  sendHeld(held: Bitfield): void {
    const { wire } = this.#link;
    if (wire.hasFast && held.isFull) wire.haveAll();
    else if (wire.hasFast && held.count === 0) wire.haveNone();
    else if (held.count > 0) wire.bitfield(held.toBytes());
  }

  sendHave(piece: number): void {
    this.#link.wire.have(piece);
  }

  sendDontHave(piece: number): void {
    const id = this.#link.gate.extendedHandshake?.extensionIds.get("lt_donthave");
    if (id !== undefined) this.#link.wire.extended(id, encodeDontHave(piece));
  }

  /** Open requests of the peer are rejected (BEP 6) or void (BEP 3); blocks for them are no longer sent. */
  sendChoke(): void {
    const { wire, gate } = this.#link;
    wire.choke();
    gate.isChoking = true;
    for (const request of this.#incoming.drain()) this.#reject(request);
  }

  sendUnchoke(): void {
    this.#link.wire.unchoke();
    this.#link.gate.isChoking = false;
  }

  sendInterested(): void {
    this.#link.wire.interested();
  }

  sendUninterested(): void {
    this.#link.wire.uninterested();
  }

  /** A request that is open already is not sent again; one while the peer chokes is rejected at once. */
  sendRequest(request: BlockRequest): void {
    const { wire } = this.#link;
    if (this.#link.closeReason !== undefined) return;
    if (wire.peerChoking) process.nextTick(() => this.#rejectLocally(request));
    else if (this.#asked.add(request)) {
      wire.request(request.piece, request.offset, request.lengthBytes);
    }
  }

  sendCancel(request: BlockRequest): void {
    if (!this.#asked.cancel(request)) return;
    this.#link.wire.cancel(request.piece, request.offset, request.lengthBytes);
  }

  /** Nothing if the request was cancelled, choked away or never made. */
  sendBlock(piece: number, offset: number, bytes: Uint8Array, onSent?: () => void): void {
    if (this.#incoming.take(piece, offset, bytes.length)) this.#link.wire.piece(piece, offset, bytes, onSent);
    else onSent?.();
  }

  sendReject(request: BlockRequest): void {
    if (this.#incoming.take(request.piece, request.offset, request.lengthBytes)) this.#reject(request);
  }

  sendMetadataSize(sizeBytes: number): void {
    const { wire } = this.#link;
    if (this.isStockClient || wire.extendedHandshake["metadata_size"] === sizeBytes) return;
    wire.repeatExtendedHandshake({ metadata_size: sizeBytes });
  }

  sendMetadataRequest(index: number): void {
    if (this.#sendMetadata({ kind: "request", index })) this.#askedMetadata.add(index);
  }

  /** A peer that asks faster than it reads gets a reject instead. */
  sendMetadataBlock(index: number, totalBytes: number, bytes: Uint8Array): void {
    const isFull = this.queuedBytes > SEND_HIGH_MARK_BYTES;
    this.#sendMetadata(isFull ? { kind: "reject", index } : { kind: "block", index, totalBytes, bytes });
  }

  sendMetadataReject(index: number): void {
    this.#sendMetadata({ kind: "reject", index });
  }

  close(reason: string): void {
    this.#link.close(reason);
  }

  #attach(listener: PeerWireListener): void {
    const { wire } = this.#link;
    const { pieceCount } = this.#peer.geometry;
    wire.on("choke", () => this.#onChoke(listener));
    wire.on("unchoke", () => listener.onUnchoke());
    wire.on("interested", () => listener.onInterested());
    wire.on("uninterested", () => {
      // The library says this of a wire that it closes, too.
      if (this.#link.closeReason === undefined) listener.onUninterested();
    });
    wire.on("have", (piece: number) => listener.onHave(piece));
    wire.on("bitfield", (field: { readonly buffer: Uint8Array }) => {
      listener.onHeld(Bitfield.parse(field.buffer, pieceCount));
    });
    wire.on("have-all", () => listener.onHeld(Bitfield.full(pieceCount)));
    wire.on("have-none", () => listener.onHeld(new Bitfield(pieceCount)));
    wire.on("request", (piece: number, offset: number, lengthBytes: number) => {
      this.#onRequest(listener, { piece, offset, lengthBytes });
    });
    wire.on("cancel", (piece: number, offset: number, lengthBytes: number) => {
      this.#onCancel(listener, { piece, offset, lengthBytes });
    });
    wire.on("piece", (piece: number, offset: number, bytes: Uint8Array) => {
      if (this.#isOpen(this.#asked.takeBlock(piece, offset, bytes.length))) listener.onBlock(piece, offset, bytes);
    });
    wire.on("reject", (piece: number, offset: number, lengthBytes: number) => {
      const request = { piece, offset, lengthBytes };
      if (this.#isOpen(this.#asked.takeReject(request))) listener.onReject(request);
    });
    wire.on("extended", (extension: string, payload: Uint8Array) => {
      if (extension === "ut_metadata") this.#onMetadata(listener, payload);
      else if (extension === "lt_donthave") this.#onDontHave(listener, payload);
    });
  }

  #onChoke(listener: PeerWireListener): void {
    if (this.#link.closeReason !== undefined) return;
    listener.onChoke();
    if (this.supportsFast) return;
    for (const request of this.#asked.choked()) listener.onReject(request);
  }

  #onRequest(listener: PeerWireListener, request: BlockRequest): void {
    const outcome = this.#incoming.add(request);
    if (outcome === "added") return listener.onRequest(request);
    if (!this.#surplus.spend(this.#peer.clock.monotonicMs())) return this.close("too many requests");
    if (outcome === "duplicate") return;
    if (this.supportsFast) this.#reject(request);
    else this.close("the queue of requests is full");
  }

  /** BEP 6: a cancelled request is answered too: by a reject, unless its block has left already. */
  #onCancel(listener: PeerWireListener, request: BlockRequest): void {
    const isOpen = this.#incoming.take(request.piece, request.offset, request.lengthBytes);
    if (!isOpen && !this.#link.queue.withdrawBlock(headOfBlock(request))) return;
    this.#reject(request);
    listener.onCancel(request);
  }

  /** Whether an answer belongs to an open request; what was never asked for is counted. */
  #isOpen(kind: AnswerKind): boolean {
    if (kind === "unasked") this.#countUnrequested();
    return kind === "open";
  }

  #countUnrequested(): void {
    if (++this.#unrequested > MAX_UNREQUESTED) this.close("too many answers that were not asked for");
  }

  #onDontHave(listener: PeerWireListener, payload: Uint8Array): void {
    const piece = parseDontHave(payload, this.#peer.geometry.pieceCount);
    if (piece !== undefined) listener.onDontHave(piece);
  }

  #onMetadata(listener: PeerWireListener, payload: Uint8Array): void {
    const message = parseMetadataMessage(payload);
    if (message === undefined) return;
    if (message.kind === "request") return listener.onMetadataRequest(message.index);
    if (!this.#askedMetadata.delete(message.index)) return this.#countUnrequested();
    listener.onMetadataBlock(message.index, message.kind === "block" ? message.bytes : undefined);
  }

  #reject({ piece, offset, lengthBytes }: BlockRequest): void {
    if (this.supportsFast) this.#link.wire.reject(piece, offset, lengthBytes);
  }

  #rejectLocally(request: BlockRequest): void {
    if (this.#link.closeReason === undefined) this.#listener?.onReject(request);
  }

  #sendMetadata(message: MetadataMessage): boolean {
    const id = this.#link.gate.extendedHandshake?.extensionIds.get("ut_metadata");
    if (id !== undefined) this.#link.wire.extended(id, encodeMetadataMessage(message));
    return id !== undefined;
  }
}

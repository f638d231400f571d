import type { Bitfield } from "../../core/bitfield.ts";

/** A BEP 3 request: `lengthBytes` ≤ 16 KiB, any offset; inside the piece. */
export interface BlockRequest {
  readonly piece: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** What a remote peer says, after the gate let it pass: indices, offsets and lengths are in range. */
export interface PeerWireListener {
  onHeld(held: Bitfield): void;
  onHave(piece: number): void;
  /** BEP 54: the peer holds the piece no more. */
  onDontHave(piece: number): void;
  onChoke(): void;
  onUnchoke(): void;
  onInterested(): void;
  onUninterested(): void;
  onRequest(request: BlockRequest): void;
  onCancel(request: BlockRequest): void;
  /**
   * Only for requests that were sent and are still open; anything else is dropped (and counted) by the wire. The bytes last until
   * the call returns.
   */
  onBlock(piece: number, offset: number, bytes: Uint8Array): void;
  /** BEP 6: this request will not be answered. Also called when a peer without BEP 6 chokes. */
  onReject(request: BlockRequest): void;
  /** BEP 9: the peer asks for block `index` (16 KiB) of the info dictionary. */
  onMetadataRequest(index: number): void;
  /** BEP 9: a block of the info dictionary, or undefined if the peer rejected it. */
  onMetadataBlock(index: number, bytes: Uint8Array | undefined): void;
  /** Output buffer drained below its low mark: more blocks may be sent. */
  onDrain(): void;
  /** Once, at the end, whatever the cause. */
  onClose(reason: string): void;
}

/**
 * An established, admitted connection for one bundle: handshakes and passes are done, nothing else was exchanged.
 * Implemented by net/ over a socket and by sim/ in memory.
 */
export interface PeerWire {
  /** 40 hex digits; for an admitted volunteer its volunteer id. */
  readonly peerId: string;
  /** True for a BEP 3 client without a pass (only where such clients are allowed). */
  readonly isStockClient: boolean;
  /** True if the pass says it is central's own. */
  readonly isOrigin: boolean;
  /** From its pass; undefined if central knew none. */
  readonly site: string | undefined;
  readonly supportsFast: boolean;
  /** From its extended handshake (BEP 9); undefined if it offers no metadata. */
  readonly metadataSizeBytes: number | undefined;
  readonly remoteHost: string;
  /** Bytes read from and written to the socket so far, everything above TCP. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Bytes accepted for sending that the socket has not taken yet. */
  readonly queuedBytes: number;
  sendHeld(held: Bitfield): void;
  sendHave(piece: number): void;
  /** BEP 54; silently nothing towards a peer that does not know it. */
  sendDontHave(piece: number): void;
  sendChoke(): void;
  sendUnchoke(): void;
  sendInterested(): void;
  sendUninterested(): void;
  sendRequest(request: BlockRequest): void;
  sendCancel(request: BlockRequest): void;
  /** @param onSent the bytes are the caller's again; where the connection ends before, it comes after the end, or not at all */
  sendBlock(piece: number, offset: number, bytes: Uint8Array, onSent?: () => void): void;
  /** BEP 6 reject; silently nothing towards a peer without BEP 6. */
  sendReject(request: BlockRequest): void;
  /** BEP 10: the extended handshake once more, as the info dictionary is here now; nothing if the peer was told, or is a stock client. */
  sendMetadataSize(sizeBytes: number): void;
  sendMetadataRequest(index: number): void;
  sendMetadataBlock(index: number, totalBytes: number, bytes: Uint8Array): void;
  sendMetadataReject(index: number): void;
  close(reason: string): void;
}

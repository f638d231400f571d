/** The part of bittorrent-protocol 5.0.9 that net/ uses; the package comes without types. */
declare module "bittorrent-protocol" {
  import type { EventEmitter } from "node:events";

  export interface PeerExtensions {
    readonly dht: boolean;
    readonly fast: boolean;
    readonly extended: boolean;
  }

  /** A streamx Duplex; only what is named here is relied on. */
  // eslint-disable-next-line no-restricted-exports -- so the package does
  export default class Wire extends EventEmitter {
    constructor(type?: string);
    /** 40 hex digits, once the handshake came. */
    peerId: string | null;
    amChoking: boolean;
    amInterested: boolean;
    peerChoking: boolean;
    peerInterested: boolean;
    hasFast: boolean;
    extendedMapping: Record<number, string>;
    extendedHandshake: Record<string, unknown>;
    /** All output passes here; null ends it. */
    push(chunk: Uint8Array | null): boolean;
    /** The stream implementation's method: takes input at once. */
    _write(chunk: Uint8Array, callback: (error: Error | null) => void): void;
    destroy(): void;
    keepAlive(): void;
    handshake(infoHash: string, peerId: string, extensions: { readonly fast: boolean }): void;
    choke(): void;
    unchoke(): void;
    interested(): void;
    uninterested(): void;
    have(index: number): void;
    bitfield(bytes: Uint8Array): void;
    request(index: number, offset: number, length: number): void;
    piece(index: number, offset: number, bytes: Uint8Array): void;
    cancel(index: number, offset: number, length: number): void;
    haveAll(): void;
    haveNone(): void;
    reject(index: number, offset: number, length: number): void;
    /** @param payload anything but bytes is bencoded */
    extended(id: number, payload: Uint8Array | Record<string, unknown>): void;
  }
}

import type { PeerWire } from "../swarm/wire/peer-wire.ts";

/** Bytes since the start, everything above TCP, framing and handshakes included; closed connections too. */
export interface SwarmCounters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Without metadata bundles. */
  readonly receivedFromPeersBytes: number;
  /** Without metadata bundles. */
  readonly receivedFromOriginBytes: number;
  /** Payload of blocks given to others. */
  readonly uploadedBytes: number;
  /** Payload to and from other sites, central included. */
  readonly border: { readonly uploadedBytes: number; readonly downloadedBytes: number };
}

/** Adds up what the connections read and wrote. */
export class SwarmTraffic {
  /** And whether the connection is for a metadata bundle. */
  readonly #open = new Map<PeerWire, boolean>();
  #metadataBytes = 0;
  #fromPeersBytes = 0;
  #fromOriginBytes = 0;
  #sentBytes = 0;
  #uploadedBytes = 0;
  readonly #border = { uploadedBytes: 0, downloadedBytes: 0 };

  opened(wire: PeerWire, isMetadata: boolean): void {
    this.#open.set(wire, isMetadata);
  }

  closed(wire: PeerWire): void {
    const isMetadata = this.#open.get(wire);
    if (!this.#open.delete(wire)) return;
    if (isMetadata === true) this.#metadataBytes += wire.receivedBytes;
    else if (wire.isOrigin) this.#fromOriginBytes += wire.receivedBytes;
    else this.#fromPeersBytes += wire.receivedBytes;
    this.#sentBytes += wire.sentBytes;
  }

  /** A socket that was not admitted. */
  refused(receivedBytes: number, sentBytes: number): void {
    this.#fromPeersBytes += receivedBytes;
    this.#sentBytes += sentBytes;
  }

  uploaded(bytes: number, isNear: boolean): void {
    this.#uploadedBytes += bytes;
    if (!isNear) this.#border.uploadedBytes += bytes;
  }

  downloaded(bytes: number, isNear: boolean): void {
    if (!isNear) this.#border.downloadedBytes += bytes;
  }

  get counters(): SwarmCounters {
    let [fromPeers, fromOrigin, sent] = [this.#fromPeersBytes, this.#fromOriginBytes, this.#sentBytes];
    let metadata = this.#metadataBytes;
    for (const [wire, isMetadata] of this.#open) {
      if (isMetadata) metadata += wire.receivedBytes;
      else if (wire.isOrigin) fromOrigin += wire.receivedBytes;
      else fromPeers += wire.receivedBytes;
      sent += wire.sentBytes;
    }
    return {
      receivedBytes: fromPeers + fromOrigin + metadata,
      sentBytes: sent,
      receivedFromPeersBytes: fromPeers,
      receivedFromOriginBytes: fromOrigin,
      uploadedBytes: this.#uploadedBytes,
      border: { ...this.#border },
    };
  }
}

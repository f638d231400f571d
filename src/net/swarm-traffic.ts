import type { PeerWire } from "../swarm/wire/peer-wire.ts";

/** Bytes since the start, everything above TCP, framing and handshakes included; closed connections too. */
export interface SwarmCounters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly receivedFromPeersBytes: number;
  readonly receivedFromOriginBytes: number;
  /** Payload of blocks given to others. */
  readonly uploadedBytes: number;
}

/** Adds up what the connections read and wrote. */
export class SwarmTraffic {
  readonly #open = new Set<PeerWire>();
  #fromPeersBytes = 0;
  #fromOriginBytes = 0;
  #sentBytes = 0;
  #uploadedBytes = 0;

  opened(wire: PeerWire): void {
    this.#open.add(wire);
  }

  closed(wire: PeerWire): void {
    if (!this.#open.delete(wire)) return;
    if (wire.isOrigin) this.#fromOriginBytes += wire.receivedBytes;
    else this.#fromPeersBytes += wire.receivedBytes;
    this.#sentBytes += wire.sentBytes;
  }

  /** A socket that was not admitted. */
  refused(receivedBytes: number, sentBytes: number): void {
    this.#fromPeersBytes += receivedBytes;
    this.#sentBytes += sentBytes;
  }

  uploaded(bytes: number): void {
    this.#uploadedBytes += bytes;
  }

  get counters(): SwarmCounters {
    let [fromPeers, fromOrigin, sent] = [this.#fromPeersBytes, this.#fromOriginBytes, this.#sentBytes];
    for (const wire of this.#open) {
      if (wire.isOrigin) fromOrigin += wire.receivedBytes;
      else fromPeers += wire.receivedBytes;
      sent += wire.sentBytes;
    }
    return {
      receivedBytes: fromPeers + fromOrigin,
      sentBytes: sent,
      receivedFromPeersBytes: fromPeers,
      receivedFromOriginBytes: fromOrigin,
      uploadedBytes: this.#uploadedBytes,
    };
  }
}

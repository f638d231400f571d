import type { Socket } from "node:net";
import { AddressCounts } from "./address-counts.ts";

export interface ConnectionCapOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** The last places are for some addresses only. */
  readonly reserved?: ReservedConnections | undefined;
}

export interface ReservedConnections {
  /** Of all connections. */
  readonly connections: number;
  /** Asked only when no other places are left. */
  readonly isFor: (address: string) => boolean;
}

/** As many addresses' shares has a /48. */
const ADDRESSES_PER_NETWORK = 4;

/**
 * Counts open connections, in all and per remote address (of IPv6: per /64 and per /48), so that one address can't take all of them (row H11).
 */
export class ConnectionCaps {
  readonly #options: ConnectionCapOptions;
  readonly #held: AddressCounts;
  #count = 0;

  constructor(options: ConnectionCapOptions) {
    this.#options = options;
    const perAddress = options.maxConnectionsPerAddress;
    this.#held = new AddressCounts({ perAddress, perNetwork: ADDRESSES_PER_NETWORK * perAddress });
  }

  get connectionCount(): number {
    return this.#count;
  }

  /**
   * False if a cap is reached, and for a connection that was reset before it was accepted: it has no address, and nobody reads an answer. Else
   * the connection counts until it closes.
   */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress;
    if (address === undefined || !this.#hasPlaceFor(address) || !this.#held.take(address)) return false;
    this.#count++;
    socket.once("close", () => {
      this.#count--;
      this.#held.free(address);
    });
    return true;
  }

  #hasPlaceFor(address: string): boolean {
    const { maxConnections, reserved } = this.#options;
    if (this.#count >= maxConnections) return false;
    if (reserved === undefined || this.#count < maxConnections - reserved.connections) return true;
    return reserved.isFor(address);
  }
}

import type { Socket } from "node:net";
import { addressGroup } from "../core/remote-address.ts";

export interface ConnectionCapOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** Counts open connections, in all and per remote address (of IPv6: per /64), so that one address can't take all of them (row H11). */
export class ConnectionCaps {
  readonly #options: ConnectionCapOptions;
  readonly #perAddress = new Map<string, number>();
  #count = 0;

  constructor(options: ConnectionCapOptions) {
    this.#options = options;
  }

  get connectionCount(): number {
    return this.#count;
  }

  /**
   * False if a cap is reached, and for a connection that was reset before it was accepted: it has no address, and nobody reads an answer. Else
   * the connection counts until it closes.
   */
  admit(socket: Socket): boolean {
    if (socket.remoteAddress === undefined) return false;
    const address = addressGroup(socket.remoteAddress);
    const held = this.#perAddress.get(address) ?? 0;
    if (this.#count >= this.#options.maxConnections || held >= this.#options.maxConnectionsPerAddress) return false;
    this.#count++;
    this.#perAddress.set(address, held + 1);
    socket.once("close", () => {
      this.#count--;
      const left = this.#perAddress.get(address)! - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    });
    return true;
  }
}

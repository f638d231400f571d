import { addressGroup } from "../core/remote-address.ts";

/** Places for connections, half-open ones included: how many in all and from one address (of IPv6: one /64). */
export class ConnectionPlaces {
  readonly #maxTotal: number;
  readonly #maxPerAddress: number;
  readonly #perAddress = new Map<string, number>();
  #total = 0;

  constructor(limits: { readonly connections: number; readonly connectionsPerAddress: number }) {
    this.#maxTotal = limits.connections;
    this.#maxPerAddress = limits.connectionsPerAddress;
  }

  /** Takes a place. @returns how to give it back (once), undefined if there is none */
  take(host: string): (() => void) | undefined {
    const address = addressGroup(host);
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#total >= this.#maxTotal || count >= this.#maxPerAddress) return undefined;
    this.#total++;
    this.#perAddress.set(address, count + 1);
    let isTaken = true;
    return () => {
      if (isTaken) this.#giveBack(address);
      isTaken = false;
    };
  }

  #giveBack(address: string): void {
    this.#total--;
    const count = this.#perAddress.get(address)! - 1;
    if (count === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, count);
  }
}

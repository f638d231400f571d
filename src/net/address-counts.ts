import { addressGroup, ipv6Site } from "../core/remote-address.ts";

/** How many of something one address may hold. */
export interface AddressShares {
  /** One IPv4 address, or a /64 of IPv6. */
  readonly perAddress: number;
  /** All of a /48, which has 65,536 /64s. */
  readonly perNetwork: number;
}

export const NOTHING_MORE: AddressShares = { perAddress: 0, perNetwork: 0 };

/** Counts what is held, by address: no single one, and nobody with a /48, can take all there is. As large as what is held. */
export class AddressCounts {
  readonly #shares: AddressShares;
  readonly #held = new Map<string, number>();

  constructor(shares: AddressShares) {
    this.#shares = shares;
  }

  /** False: the share is used up, nothing was counted. @param more that this address and its network may hold beyond their shares */
  take(address: string, more: AddressShares = NOTHING_MORE): boolean {
    const group = addressGroup(address);
    const network = ipv6Site(address);
    const { perAddress, perNetwork } = this.#shares;
    if (this.#count(group) >= perAddress + more.perAddress) return false;
    if (network !== undefined && this.#count(network) >= perNetwork + more.perNetwork) return false;
    this.#add(group, 1);
    if (network !== undefined) this.#add(network, 1);
    return true;
  }

  /** One of those that were taken is free again. */
  free(address: string): void {
    this.#add(addressGroup(address), -1);
    const network = ipv6Site(address);
    if (network !== undefined) this.#add(network, -1);
  }

  #count(key: string): number {
    return this.#held.get(key) ?? 0;
  }

  #add(key: string, change: number): void {
    const left = this.#count(key) + change;
    if (left === 0) this.#held.delete(key);
    else this.#held.set(key, left);
  }
}

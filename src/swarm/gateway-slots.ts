/** A connection that asks for something. */
export interface InterestedPeer {
  readonly key: number;
  /** The other site it may bring pieces to; undefined: none. */
  readonly site: string | undefined;
}

/**
 * Who is served beside the slots: of each other site one peer that brings pieces there. It asks for few, and its whole
 * site waits for them.
 */
export class GatewaySlots {
  #keyOf = new Map<string, number>();

  /** One more wants something. */
  interested({ key, site }: InterestedPeer): void {
    if (site !== undefined && !this.#keyOf.has(site)) this.#keyOf.set(site, key);
  }

  /** Who has a place keeps it while it wants something; what sites are known to be may have changed. */
  review(peers: readonly InterestedPeer[]): void {
    const before = new Set(this.#keyOf.values());
    this.#keyOf = new Map();
    for (const peer of peers) if (before.has(peer.key)) this.interested(peer);
    for (const peer of peers) this.interested(peer);
  }

  has(key: number): boolean {
    for (const holder of this.#keyOf.values()) if (holder === key) return true;
    return false;
  }
}

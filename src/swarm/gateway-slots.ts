/** Who takes nothing gives its place up after this time if others wait that have none: a round of the choker. */
const IDLE_PLACE_MS = 10_000;
/**
 * Who takes keeps it longer: where pieces are slow, one that loses it in the middle of a piece leaves a part that is of use to nobody. With 10 s
 * for all, 40 mirrors behind an origin that needs 8 s for a piece took up to 1.7 times as long as without places.
 */
const PLACE_MS = 60_000;

/** A connection. */
export interface GatewayPeer {
  readonly key: number;
  readonly isInterested: boolean;
  /** It is sent something, and reads it. */
  readonly isTaking: boolean;
  /** The other site it may bring pieces to; undefined: none. */
  readonly site: string | undefined;
}

interface Place {
  readonly key: number;
  readonly sinceMs: number;
}

/**
 * Who is served beside the slots: of each other site one peer that brings pieces there. It asks for few, and its whole
 * site waits for them. Where many ask, the place of a site passes from one to the next, and so do the places from site to site:
 * who has one and takes nothing costs nobody more than some seconds.
 */
export class GatewaySlots {
  /** By site. */
  readonly #places = new Map<string, Place>();
  /** When who is connected, and each site, last gave up a place. */
  readonly #leftMs = new Map<number | string, number>();

  /** All places are taken. @param count how many there are */
  areFull(count: number): boolean {
    return this.#places.size >= count;
  }

  /** One more wants something. @param count how many places there are */
  interested({ key, site }: Pick<GatewayPeer, "key" | "site">, count: number, nowMs: number): void {
    if (site === undefined || this.#places.has(site) || this.areFull(count)) return;
    this.#places.set(site, { key, sinceMs: nowMs });
  }

  /** It wants nothing any more, or is gone. */
  left(key: number, nowMs: number): void {
    for (const [site, place] of this.#places) if (place.key === key) this.#giveUp(site, key, nowMs);
  }

  /**
   * Who has a place keeps it while it wants something, at the least for {@link IDLE_PLACE_MS}, or {@link PLACE_MS} if it takes; what sites are known to be may have changed.
   * @param peers all that are connected
   */
  review(peers: readonly GatewayPeer[], count: number, nowMs: number): void {
    const waiting = Map.groupBy(
      peers.filter(({ isInterested, site }) => isInterested && site !== undefined),
      ({ site }) => site!,
    );
    let lackingCount = waiting
      .keys()
      .filter((site) => !this.#places.has(site))
      .toArray().length;
    lackingCount -= count - this.#places.size;
    // In order of age.
    for (const [site, { key, sinceMs }] of this.#places) {
      const members = waiting.get(site) ?? [];
      const holder = members.find((one) => one.key === key);
      const keepsMs = holder?.isTaking === true ? PLACE_MS : IDLE_PLACE_MS;
      const isOver = nowMs - sinceMs >= keepsMs && (members.length > 1 || lackingCount > 0);
      if (!isOver && holder !== undefined) continue;
      this.#giveUp(site, key, nowMs);
      lackingCount--;
    }
    this.#forget(peers);
    for (const [site, members] of [...waiting].sort(([a], [b]) => this.#compare(a, b))) {
      const [next] = members.toSorted((a, b) => this.#compare(a.key, b.key));
      this.interested({ key: next!.key, site }, count, nowMs);
    }
  }

  has(key: number): boolean {
    for (const place of this.#places.values()) if (place.key === key) return true;
    return false;
  }

  #giveUp(site: string, key: number, nowMs: number): void {
    this.#places.delete(site);
    this.#leftMs.set(key, nowMs).set(site, nowMs);
  }

  /** Who had a place longest ago goes first, before all who never had one. */
  #compare(a: number | string, b: number | string): number {
    return (this.#leftMs.get(a) ?? -Infinity) - (this.#leftMs.get(b) ?? -Infinity) || 0;
  }

  #forget(peers: readonly GatewayPeer[]): void {
    const known = new Set(peers.flatMap(({ key, site }) => (site === undefined ? [key] : [key, site])));
    for (const name of this.#leftMs.keys()) if (!known.has(name)) this.#leftMs.delete(name);
  }
}

import type { KnownPeer } from "./ports.ts";

/** `spared`: of a site that gave more than it took, or of an unknown one; asked when nobody else gives. */
export type Nearness = "near" | "far" | "spared";

/** Where the peers of a volunteer stand, as the tracker told. */
export interface SiteView {
  /** Other volunteers of the own site, connected or not. */
  readonly neighbourCount: number;
  nearnessOf(peerId: string): Nearness;
}

/** Without sites all are neighbours, and there is no border to spare. */
export const NO_SITES: SiteView = { neighbourCount: 0, nearnessOf: () => "near" };

/** What an announce's answer says of sites. */
export interface SiteNews {
  /** The volunteer's own. */
  readonly site: string | undefined;
  readonly neighbourCount: number;
  readonly spared: readonly string[];
}

/** Bounds the memory. */
const MAX_REMEMBERED = 4_096;

/** Remembers the sites of all peers that were ever named: who called us may have been named long ago. */
export class TrackedSites implements SiteView {
  readonly #siteOf = new Map<string, string>();
  #news: SiteNews = { site: undefined, neighbourCount: 0, spared: [] };

  note(peers: readonly KnownPeer[], news: SiteNews): void {
    this.#news = news;
    for (const { id, site } of peers) {
      if (site === undefined) continue;
      this.#siteOf.delete(id);
      this.#siteOf.set(id, site);
      const oldest = this.#siteOf.keys().next();
      if (this.#siteOf.size > MAX_REMEMBERED && oldest.done !== true) this.#siteOf.delete(oldest.value);
    }
  }

  get neighbourCount(): number {
    return this.#news.neighbourCount;
  }

  nearnessOf(peerId: string): Nearness {
    const { site, spared } = this.#news;
    if (site === undefined) return "near";
    const peerSite = this.#siteOf.get(peerId);
    if (peerSite === site) return "near";
    return peerSite === undefined || spared.includes(peerSite) ? "spared" : "far";
  }
}

import type { KnownPeer } from "./ports.ts";

/** Stands for the origin among the sites whose bytes a volunteer brings over the border of its own. */
export const ORIGIN_GATEWAY = "";

/** Where the peers of a volunteer stand, as the tracker and their passes told. */
export interface SiteView {
  /** The own; undefined: all are neighbours. */
  readonly site: string | undefined;
  /** Other volunteers of the own site, connected or not. */
  readonly neighbourCount: number;
  /** Sites that share the work of bringing pieces from the origin to the others, in order; none: each piece comes from anywhere. */
  readonly homes: readonly string[];
  /** Sites from which this volunteer brings pieces for all of its own; {@link ORIGIN_GATEWAY} may be one. */
  readonly gateways: ReadonlySet<string>;
  siteOf(peerId: string): string | undefined;
  /** Of the own site; who shows none stands elsewhere. */
  isNear(peerId: string): boolean;
  /** A peer showed its site: most that call were never named by the tracker. */
  met(peerId: string, site: string): void;
}

/** Without sites all are neighbours, and there is no border to spare. */
export const NO_SITES: SiteView = {
  site: undefined,
  neighbourCount: 0,
  homes: [],
  gateways: new Set(),
  siteOf: () => undefined,
  isNear: () => true,
  met: () => undefined,
};

/** What an announce's answer says of sites. */
export interface SiteNews {
  /** The volunteer's own. */
  readonly site: string | undefined;
  readonly neighbourCount: number;
  readonly homes: readonly string[];
  readonly gateways: readonly string[];
}

/** Bounds the memory. */
const MAX_REMEMBERED = 4_096;

/** Remembers the sites of all peers that were ever named or met. */
export class TrackedSites implements SiteView {
  readonly #siteOf = new Map<string, string>();
  #news: SiteNews = { site: undefined, neighbourCount: 0, homes: [], gateways: [] };
  #gateways: ReadonlySet<string> = new Set();

  note(peers: readonly KnownPeer[], news: SiteNews): void {
    this.#news = news;
    this.#gateways = new Set(news.gateways);
    for (const { id, site } of peers) if (site !== undefined) this.met(id, site);
  }

  met(peerId: string, site: string): void {
    this.#siteOf.delete(peerId);
    this.#siteOf.set(peerId, site);
    const oldest = this.#siteOf.keys().next();
    if (this.#siteOf.size > MAX_REMEMBERED && oldest.done !== true) this.#siteOf.delete(oldest.value);
  }

  get site(): string | undefined {
    return this.#news.site;
  }

  get neighbourCount(): number {
    return this.#news.neighbourCount;
  }

  get homes(): readonly string[] {
    return this.#news.homes;
  }

  get gateways(): ReadonlySet<string> {
    return this.#gateways;
  }

  siteOf(peerId: string): string | undefined {
    return this.#siteOf.get(peerId);
  }

  isNear(peerId: string): boolean {
    const { site } = this.#news;
    return site === undefined || this.#siteOf.get(peerId) === site;
  }
}

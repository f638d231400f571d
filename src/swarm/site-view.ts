import type { KnownPeer } from "./ports.ts";

/** Stands for the origin among the sites of {@link BorderTasks}. */
export const ORIGIN_TASK = "";

/** How sites share the work of bringing pieces from the origin and from each other (`piece-homes.ts`), as the tracker told. */
export interface BorderTasks {
  /** All that take part, in order; none: each piece comes from anywhere. */
  readonly homes: readonly string[];
  /** Into so many tasks the pieces of each home are divided, 1 or more. */
  readonly slices: number;
  /** What this volunteer brings for all of its own site, and from where. */
  readonly tasks: readonly { readonly site: string; readonly slice: number }[];
}

export const NO_TASKS: BorderTasks = { homes: [], slices: 1, tasks: [] };

/** Where the peers of a volunteer stand, as the tracker and their passes told. */
export interface SiteView {
  /** The own; undefined: all are neighbours. */
  readonly site: string | undefined;
  /** Other volunteers of the own site, connected or not. */
  readonly neighbourCount: number;
  readonly border: BorderTasks;
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
  border: NO_TASKS,
  siteOf: () => undefined,
  isNear: () => true,
  met: () => undefined,
};

/** The same view, but no site has a part in the work of others. */
export function withoutHomes(view: SiteView): SiteView {
  return {
    get site() {
      return view.site;
    },
    get neighbourCount() {
      return view.neighbourCount;
    },
    border: NO_TASKS,
    siteOf: (peerId) => view.siteOf(peerId),
    isNear: (peerId) => view.isNear(peerId),
    met: (peerId, site) => view.met(peerId, site),
  };
}

/** What an announce's answer says of sites. */
export interface SiteNews {
  /** The volunteer's own. */
  readonly site: string | undefined;
  readonly neighbourCount: number;
  readonly border: BorderTasks;
}

/** What the origin learns of its own tracker: it stands nowhere and has no tasks, but serves those who have. */
export function viewOfOrigin(homes: readonly string[]): SiteNews {
  return { site: undefined, neighbourCount: 0, border: { homes, slices: 1, tasks: [] } };
}

/** Bounds the memory. */
const MAX_REMEMBERED = 4_096;

/** Remembers the sites of all peers that were ever named or met. */
export class TrackedSites implements SiteView {
  readonly #siteOf = new Map<string, string>();
  #news: SiteNews = { site: undefined, neighbourCount: 0, border: NO_TASKS };

  note(peers: readonly KnownPeer[], news: SiteNews): void {
    this.#news = news;
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

  get border(): BorderTasks {
    return this.#news.border;
  }

  siteOf(peerId: string): string | undefined {
    return this.#siteOf.get(peerId);
  }

  isNear(peerId: string): boolean {
    const { site } = this.#news;
    return site === undefined || this.#siteOf.get(peerId) === site;
  }
}

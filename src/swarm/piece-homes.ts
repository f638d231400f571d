import { HomeProgress } from "./home-progress.ts";
import { QuietSpell } from "./quiet-spell.ts";
import { type BorderTasks, ORIGIN_TASK, type SiteView } from "./site-view.ts";

/** With fewer pieces for each site their shares would differ too much; then a piece comes from anywhere. */
const MIN_PIECES_PER_SITE = 4;
/** The volunteer whose task it is asks other sites than the home once a piece was to be had there for so long; */
const OTHER_SITE_MS = 5_000;
/** its neighbours take over, in turn, after so many times what a piece beyond the border takes to come near. */
const TAKE_OVER_FACTOR = 4;
const MIN_TAKE_OVER_MS = 3_000;
const MAX_TAKE_OVER_MS = 20_000;
/** A piece of which the own site is home, and which others have, is asked of these after this time. */
const OWN_HOME_MS = 2_000;
/** No piece of a home appeared for so long: for a while its pieces are nobody's task. */
const SILENT_HOME_MS = 10_000;
/** Nothing at all came or appeared for so long: for a while no piece is. Shorter than any patience with a swarm. */
const STANDSTILL_MS = 5_000;

export interface PieceHomesOptions {
  readonly pieceCount: number;
  /** Pieces that are fetched. */
  readonly wanted: Iterable<number>;
  readonly sites: SiteView;
  readonly nowMs: number;
}

/** What this volunteer would wait without homes, and what pieces beyond the border take to come near, in ms. */
export interface BorderTimes {
  readonly turnMs: number;
  readonly comingMs: number;
}

/**
 * Each piece has a home, one of the sites that fetch now, in turn by number: its volunteers bring it from the origin, and all other
 * sites get it from there. So of sites with like lines every one gives the others as much as it takes, however many volunteers it
 * has: with S sites each takes a copy of the content and gives S − 1 times its share of 1/S. Within a site the tracker says who
 * brings the pieces of which other site ({@link BorderTasks}). That is advice: where somebody does not do its part in time,
 * others do it, and nobody stands still because of it for longer than some seconds.
 */
export class PieceHomes {
  readonly #pieceCount: number;
  readonly #sites: SiteView;
  readonly #standstill: QuietSpell;
  readonly #progress: HomeProgress;
  #border: BorderTasks | undefined;
  /** Those of `#border`, by site. */
  #tasks: ReadonlyMap<string, BorderTasks["tasks"]> = new Map();
  /** Home → whether pieces of it appear at peers. */
  readonly #life = new Map<string, QuietSpell>();
  #areUsed = false;

  constructor({ pieceCount, wanted, sites, nowMs }: PieceHomesOptions) {
    this.#pieceCount = pieceCount;
    this.#sites = sites;
    this.#standstill = new QuietSpell(STANDSTILL_MS, nowMs);
    this.#progress = new HomeProgress(pieceCount, wanted, nowMs);
    this.tick(nowMs);
  }

  /** Do pieces of a bundle this long have homes now? */
  static exist(pieceCount: number, { site, border }: SiteView): boolean {
    return site !== undefined && areEnough(pieceCount, border);
  }

  /** Do other sites wait for what this one brings? */
  static isHome(site: string | undefined, pieceCount: number, border: BorderTasks): site is string {
    return site !== undefined && areEnough(pieceCount, border) && border.homes.includes(site);
  }

  /** Do homes count at the moment? */
  get areUsed(): boolean {
    return this.#areUsed;
  }

  /** Time went by: call about ten times a second. */
  tick(nowMs: number): void {
    this.#standstill.tick(nowMs);
    for (const life of this.#life.values()) life.tick(nowMs);
    const doExist = PieceHomes.exist(this.#pieceCount, this.#sites);
    this.#areUsed = doExist && !this.#standstill.isOver;
    if (!doExist) return;
    this.#noteTasks(nowMs);
    this.#progress.tick(nowMs);
  }

  /** Other sites wait for the pieces whose home the own site is: they go first, from whomever they come. */
  isOurs(piece: number): boolean {
    return this.#areUsed && this.#homeOf(piece) === this.#sites.site;
  }

  /** A block came, or a peer got a piece. */
  moved(nowMs: number): void {
    this.#standstill.heard(nowMs);
  }

  /** A peer other than the origin has the piece now, or it is here. */
  appeared(piece: number, nowMs: number): void {
    this.moved(nowMs);
    this.#progress.seen(piece);
    if (this.#border !== undefined) this.#life.get(this.#homeOf(piece))?.heard(nowMs);
  }

  /** How long a piece must have been offered beyond the border before a peer there is asked for it. */
  waitMs(piece: number, peerSite: string | undefined, { turnMs, comingMs }: BorderTimes): number {
    if (!this.#areUsed) return turnMs;
    const home = this.#homeOf(piece);
    if (home === this.#sites.site) return this.#isTask(piece, ORIGIN_TASK) ? 0 : OWN_HOME_MS + turnMs;
    if (this.#isFree(home)) return this.#isTask(piece, home) ? 0 : turnMs;
    const detourMs = peerSite === home ? 0 : OTHER_SITE_MS;
    if (this.#isTask(piece, home)) return detourMs;
    const takeOverMs = Math.min(MAX_TAKE_OVER_MS, Math.max(MIN_TAKE_OVER_MS, TAKE_OVER_FACTOR * comingMs));
    return takeOverMs + detourMs + turnMs;
  }

  /** May the origin be asked for the piece? */
  mayAskOrigin(piece: number): boolean {
    if (!this.#areUsed) return true;
    const home = this.#homeOf(piece);
    return this.#isFree(home) || (home === this.#sites.site && this.#isTask(piece, ORIGIN_TASK));
  }

  /** Does the home fail to do its part, so that anybody may? */
  #isFree(home: string): boolean {
    return this.#progress.isLate(home) || this.#life.get(home)!.isOver;
  }

  /** Is it this volunteer that brings the piece from there? */
  #isTask(piece: number, site: string): boolean {
    const { homes, slices } = this.#border!;
    const slice = Math.floor(piece / homes.length) % slices;
    return this.#tasks.get(site)?.some((task) => task.slice === slice) === true;
  }

  #noteTasks(nowMs: number): void {
    const { border } = this.#sites;
    if (border === this.#border) return;
    this.#border = border;
    this.#tasks = Map.groupBy(border.tasks, (task) => task.site);
    this.#progress.setHomes(border.homes);
    for (const home of border.homes) {
      if (!this.#life.has(home)) this.#life.set(home, new QuietSpell(SILENT_HOME_MS, nowMs));
    }
  }

  #homeOf(piece: number): string {
    const { homes } = this.#border!;
    return homes[piece % homes.length]!;
  }
}

function areEnough(pieceCount: number, { homes }: BorderTasks): boolean {
  return homes.length > 1 && pieceCount >= MIN_PIECES_PER_SITE * homes.length;
}

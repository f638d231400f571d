import { ORIGIN_GATEWAY, type SiteView } from "./site-view.ts";

/** With fewer pieces for each site their shares would differ too much; then a piece comes from anywhere. */
const MIN_PIECES_PER_SITE = 4;
/** The volunteer whose task it is asks other sites than the home once a piece was to be had there for so long, */
const OTHER_SITE_MS = 15_000;
/**
 * its neighbours ask the home after this time and their turn: in a site of 100 a piece needs longer than 10 s to come round. The
 * tracker gives the task to another as soon as it knows that somebody left.
 */
const NEIGHBOUR_MS = 60_000;
/** and a piece of which the own site is home, and which others got first, is asked of these after this time. */
const OWN_HOME_MS = 5_000;
/** No piece of a home appeared for so long: whoever wants them asks the origin. */
const SILENT_HOME_MS = 60_000;

/**
 * Each piece has a home, one site of all, in turn by number: its volunteers bring it from the origin, and all other sites get
 * it from there. So every site gives the others as much as it takes, however large it is: with S sites each takes a
 * copy of the content and gives S − 1 times its share of 1/S. Within a site the tracker says who brings the pieces of
 * which other site ({@link SiteView.gateways}). Where somebody does not do its part, others do it after a while.
 */
export class PieceHomes {
  readonly #pieceCount: number;
  readonly #sites: SiteView;
  readonly #startMs: number;
  /** Home → when a piece of it appeared last, here or at a peer. */
  readonly #aliveMs = new Map<string, number>();

  constructor(pieceCount: number, sites: SiteView, nowMs: number) {
    this.#pieceCount = pieceCount;
    this.#sites = sites;
    this.#startMs = nowMs;
  }

  /** Do pieces of a bundle this long have homes now? */
  static areUsed(pieceCount: number, { site, homes }: SiteView): boolean {
    return site !== undefined && homes.length > 1 && pieceCount >= MIN_PIECES_PER_SITE * homes.length;
  }

  get areUsed(): boolean {
    return PieceHomes.areUsed(this.#pieceCount, this.#sites);
  }

  /** Other sites wait for the pieces whose home the own site is: they go first, from whomever they come. */
  isOurs(piece: number): boolean {
    return this.areUsed && this.#homeOf(piece) === this.#sites.site;
  }

  /** A peer offers the piece, or it is here. */
  appeared(piece: number, nowMs: number): void {
    if (this.areUsed) this.#aliveMs.set(this.#homeOf(piece), nowMs);
  }

  /**
   * How long a piece must have been offered beyond the border before a peer there is asked for it.
   * @param turnMs what this volunteer waits when its neighbours may do it as well
   */
  waitMs(piece: number, peerSite: string | undefined, turnMs: number): number {
    const home = this.#homeOf(piece);
    if (home === this.#sites.site) return OWN_HOME_MS + turnMs;
    if (this.#sites.gateways.has(home)) return peerSite === home ? 0 : OTHER_SITE_MS;
    return (peerSite === home ? NEIGHBOUR_MS : NEIGHBOUR_MS + OTHER_SITE_MS) + turnMs;
  }

  /** May the origin be asked for the piece? */
  mayAskOrigin(piece: number, nowMs: number): boolean {
    if (!this.areUsed) return true;
    const home = this.#homeOf(piece);
    const isOurs = home === this.#sites.site && this.#sites.gateways.has(ORIGIN_GATEWAY);
    return isOurs || this.#isSilent(home, nowMs);
  }

  /** May the origin be asked for anything? Else somebody who needs it should have its slot. */
  mayUseOrigin(nowMs: number): boolean {
    if (!this.areUsed || this.#sites.gateways.has(ORIGIN_GATEWAY)) return true;
    return this.#sites.homes.some((home) => this.#isSilent(home, nowMs));
  }

  #isSilent(home: string, nowMs: number): boolean {
    return nowMs - (this.#aliveMs.get(home) ?? this.#startMs) > SILENT_HOME_MS;
  }

  #homeOf(piece: number): string {
    const { homes } = this.#sites;
    return homes[piece % homes.length]!;
  }
}

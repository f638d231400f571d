import { refuseAnnounce } from "./errors.ts";

/** What a volunteer has of one bundle: bitmap over the content table, highest bit first; empty if its extent is unknown. */
export type BundleHave = "all" | "none" | Uint8Array;

/** Holdings as a volunteer reports them (docs/protocol.md, "Announce of volunteers"). */
export interface HoldingsReport {
  /** 0: the full truth; else the `holdingsId` of the answer that this is a change to. */
  readonly base: number;
  /** All contents of this release; undefined if bundles are told one by one. */
  readonly completeRelease: number | undefined;
  readonly bundles: ReadonlyMap<number, BundleHave>;
}

/** What central knows of a volunteer's holdings. */
export interface Holdings {
  /** Release of which it has every content, 0 if none. */
  readonly completeRelease: number;
  /** Bundles that differ from what `completeRelease` says; "none" only where that matters. */
  readonly bundles: ReadonlyMap<number, BundleHave>;
}

export const NO_HOLDINGS: Holdings = { completeRelease: 0, bundles: new Map() };
export const MAX_REPORTED_BUNDLES = 10_000;
/** Bounds what incremental reports of one volunteer can pile up; 1,000 full mirrors send no bitmaps at all. */
const MAX_BITMAP_BYTES: number = 4 * 1024 * 1024;

/**
 * Applies a report to what is known. Undefined if it builds on a state that is not the known one (a lost answer, a
 * restart): then what is known stays and full holdings must be asked for.
 *
 * @throws TrackerError `bad-announce` if more piles up than a volunteer may have
 */
export function applyHoldings(
  known: { readonly id: number; readonly holdings: Holdings } | undefined,
  report: HoldingsReport,
): Holdings | undefined {
  if (report.completeRelease !== undefined) return { completeRelease: report.completeRelease, bundles: new Map() };
  if (report.base !== 0 && report.base !== known?.id) return undefined;
  const before = report.base === 0 ? NO_HOLDINGS : known!.holdings;
  const bundles = new Map(before.bundles);
  for (const [number, have] of report.bundles) {
    if (have === "none" && before.completeRelease === 0) bundles.delete(number);
    else bundles.set(number, have);
  }
  requireBounded(bundles);
  return { completeRelease: before.completeRelease, bundles };
}

/** True if there is anything a peer could ask for. */
export function holdsSomething(holdings: Holdings): boolean {
  if (holdings.completeRelease > 0) return true;
  for (const have of holdings.bundles.values()) if (isSome(have)) return true;
  return false;
}

/** Numbers of the bundles of which something is held beyond the complete release, ascending. */
export function bundlesHeld(holdings: Holdings): readonly number[] {
  const numbers: number[] = [];
  for (const [number, have] of holdings.bundles) if (isSome(have)) numbers.push(number);
  return numbers.sort((a, b) => a - b);
}

function isSome(have: BundleHave): boolean {
  if (typeof have === "string") return have === "all";
  return have.length === 0 || have.some((byte) => byte !== 0);
}

function requireBounded(bundles: ReadonlyMap<number, BundleHave>): void {
  if (bundles.size > MAX_REPORTED_BUNDLES) refuseAnnounce(`expected at most ${MAX_REPORTED_BUNDLES} bundles in all`);
  let bitmapBytes = 0;
  for (const have of bundles.values()) bitmapBytes += typeof have === "string" ? 0 : have.length;
  if (bitmapBytes > MAX_BITMAP_BYTES) refuseAnnounce(`expected at most ${MAX_BITMAP_BYTES} bytes of bitmaps in all`);
}

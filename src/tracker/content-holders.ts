import type { Holdings } from "./holdings.ts";
import type { LiveVolunteer } from "./live-volunteer.ts";

/** Where a content of the current release lies. */
export interface ContentPlace {
  readonly bundle: number;
  /** In the content table of the bundle. */
  readonly ordinal: number;
  /** Every release from this one to the current one has it. */
  readonly sinceRelease: number;
}

/**
 * Whether what a volunteer reported says that it has a content of the current release, complete and hashed.
 *
 * No table of holders per content is kept: 2.2 million contents × 1,000 volunteers would be 275 MB of bits at best. A full
 * mirror is one release number, which answers for every content that was released since and never left; a partial or
 * synchronising one is a bitmap per bundle, at most 4 MiB (`holdings.ts`); so 1,000 volunteers cost some kB if all are full,
 * 275 MB if all hold an odd half of 2.2 million contents, and nothing on central grows with the number of contents. Where a
 * content lies is one look-up in the index.
 *
 * A bitmap that was not sent again since central's restart says nothing.
 */
export function holdsContent(holdings: Holdings, place: ContentPlace): boolean {
  // Asked of up to 16 volunteers for each redirect: a full mirror has nothing to look up.
  const have = holdings.bundles.size === 0 ? undefined : holdings.bundles.get(place.bundle);
  if (have === undefined) return holdings.completeRelease >= place.sinceRelease;
  if (typeof have === "string") return have === "all";
  return ((have[place.ordinal >> 3] ?? 0) & (0x80 >> (place.ordinal & 7))) !== 0;
}

/** What tells whether all of a release stands at its names, too. */
type Claim = Pick<LiveVolunteer, "holdings" | "holdingsId" | "isByName" | "release">;

/** Every name of the release that it says it shows leads to the bytes it should. */
export function showsWholeRelease({ holdings, release }: Pick<Claim, "holdings" | "release">): boolean {
  return release > 0 && holdings.completeRelease === release && holdings.bundles.size === 0;
}

/**
 * Whether a volunteer can be asked for a content of the current release, as far as central knows. Of one whose web server knows names alone what
 * was told of an older release says nothing: the content may have got a name since that it lacks. It tells only what stands at all its names
 * (docs/protocol.md), and counts while central knows all of what it told.
 */
export function claimsContent(volunteer: Claim, place: ContentPlace): boolean {
  if (volunteer.isByName && volunteer.holdingsId === undefined && !showsWholeRelease(volunteer)) return false;
  return holdsContent(volunteer.holdings, place);
}

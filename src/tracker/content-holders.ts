import type { Holdings } from "./holdings.ts";

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

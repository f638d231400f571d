import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ContentId, parseContentId } from "../../../src/core/content-id.ts";
import { contentPlaces } from "../../../src/edge/content-places.ts";
import type { BundleRow } from "../../../src/manifest/bundle-list.ts";
import { sliceOf } from "../../../src/plan/assigned-cut.ts";
import { MirrorDisk } from "./mirror-disk.ts";

test("each content is found in the newest bundle that has it, with its release and slice; others are not", () => {
  const { index } = new MirrorDisk();
  const arbitraryTables = fc.array(fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 20 }), { maxLength: 5 });
  const run = fc.property(arbitraryTables, (tables) => {
    for (const { number } of index.bundles.all()) index.bundles.remove(number);
    tables.forEach((numbers, position) => {
      index.bundles.put(row(position + 1, numbers.length));
      index.bundles.putContents(
        position + 1,
        numbers.map((number) => ({ content: contentOf(number), lengthBytes: 50_000 })),
      );
    });
    const placeOf = contentPlaces(index.bundles, 1_000_000);
    for (let number = 0; number <= 31; number++) {
      const place = index.bundles.newestPlaceOf(contentOf(number));
      const expected = place && {
        release: 100 + place.bundle,
        slice: sliceOf(place.bundle, place.ordinal * 50_000, 1_000_000),
        ordinal: place.ordinal,
      };
      expect(placeOf(contentOf(number))).toEqual(expected);
    }
  });
  fc.assert(run, { numRuns: 30 });
});

function contentOf(number: number): ContentId {
  return parseContentId(createHash("sha256").update(String(number)).digest("hex"));
}

function row(number: number, contentCount: number): BundleRow {
  return {
    number,
    kind: "content",
    infoHash: createHash("sha1").update(String(number)).digest("hex"),
    lengthBytes: 65_536,
    pieceLength: 65_536,
    contentCount,
    release: 100 + number,
    table: { sha256: "0".repeat(64), lengthBytes: 40 * contentCount },
    name: `bundle-${number}`,
  };
}

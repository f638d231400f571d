import { join } from "node:path";
import { expect, test } from "vitest";
import { parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import type { BundleRow } from "../../../src/manifest/bundle-list.ts";
import type { Recompression } from "../../../src/manifest/recompression.ts";
import { MirrorIndex } from "../../../src/store/mirror-index.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const PACKED = parseContentId("aa".repeat(32));
const INNER = parseContentId("bb".repeat(32));
const STAT = { size: 10, mtimeNs: 1n, ctimeNs: 1n, ino: 1n };
const RECOMPRESSION: Recompression = {
  content: PACKED,
  inner: INNER,
  innerLengthBytes: 100_000,
  members: [
    {
      header: new Uint8Array(Buffer.from("1f8b08000000000002ff", "hex")),
      lengthBytes: 100_000,
      settings: { level: 9, memLevel: 8 },
    },
  ],
};

function rowOf(number: number, kind: BundleRow["kind"]): BundleRow {
  return {
    number,
    kind,
    infoHash: String(number).padStart(40, "0"),
    lengthBytes: 131_072,
    pieceLength: 65_536,
    contentCount: 1,
    release: 2,
    table: { sha256: "cc".repeat(32), lengthBytes: 40 },
    name: "bundle",
  };
}

test("an inner content counts as held while a verified file unpacks to it", () => {
  using index = MirrorIndex.open(join(temporaryDirectory(), "index.sqlite"));
  index.bundles.put(rowOf(1, "content"));
  index.bundles.putContents(1, [{ content: PACKED, lengthBytes: 10 }]);
  index.bundles.put(rowOf(2, "inner"));
  index.bundles.putContents(2, [{ content: INNER, lengthBytes: 100_000 }]);
  expect(index.recompressions.unknownBundles()).toEqual([2]);
  index.recompressions.put(RECOMPRESSION);
  expect(index.recompressions.unknownBundles()).toEqual([]);
  expect(index.recompressions.get(PACKED)).toEqual(RECOMPRESSION);
  expect([index.bundles.heldOrdinals(2), index.recompressions.packedFor(INNER)]).toEqual([[], undefined]);

  const path = repoPathFromText("package.tgz");
  index.files.put(path, { stat: STAT, content: PACKED, isVerified: false });
  expect(index.bundles.heldOrdinals(2)).toEqual([]);
  index.files.put(path, { stat: STAT, content: PACKED, isVerified: true });
  expect(index.bundles.heldOrdinals(2)).toEqual([0]);
  expect(index.recompressions.packedFor(INNER)).toEqual({ content: PACKED, innerLengthBytes: 100_000 });

  index.recompressions.removeOrphans();
  expect(index.recompressions.get(PACKED)).toBeDefined();
  index.bundles.remove(1);
  index.recompressions.removeOrphans();
  expect(index.recompressions.get(PACKED)).toBeUndefined();
});

test("the names of a directory are those of its files alone", () => {
  using index = MirrorIndex.open(join(temporaryDirectory(), "index.sqlite"));
  for (const name of ["a", "d/1.tgz", "d/2.tgz", "d/e/f/3.tgz", "d/e/g", "d/z", "d0", "d-x"]) {
    index.files.put(repoPathFromText(name), { stat: STAT, content: PACKED, isVerified: true });
  }
  expect(index.files.namesIn(repoPathFromText("d"))).toEqual(["1.tgz", "2.tgz", "z"]);
  expect(index.files.namesIn(repoPathFromText("d/e"))).toEqual(["g"]);
  expect(index.files.namesIn(undefined)).toEqual(["a", "d-x", "d0"]);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_BUNDLE_BYTES, MAX_BUNDLE_CONTENTS } from "../../../src/core/bundle-layout.ts";
import { cutBundles } from "../../../src/manifest/bundle-cut.ts";
import {
  applyBundleChanges,
  encodeBundleList,
  parseBundleList,
  type BundleRow,
} from "../../../src/manifest/bundle-list.ts";
import { ContentTable, encodeContentTable } from "../../../src/manifest/content-table.ts";
import { buildInfoDictionary, buildTorrent, type TorrentFile } from "../../../src/manifest/torrent.ts";
import { anyUnknown, codeOf, contentOf, path } from "./arbitrary-entry.ts";

const HEX = "ab".repeat(32);
const row: BundleRow = {
  number: 1,
  kind: "content",
  infoHash: "c".repeat(40),
  lengthBytes: 131_072,
  pieceLength: 65_536,
  contentCount: 2,
  release: 1,
  table: { sha256: HEX, lengthBytes: 80 },
  name: "prsync-1",
};

test("any unknown keys of a bundle list survive", () => {
  fc.assert(
    fc.property(anyUnknown, anyUnknown, (unknown, inner) => {
      const known = new Set(["number", "kind", "length", "name", "sha256", "release", "table", "contents"]);
      fc.pre([...unknown, ...inner].every(([key]) => !known.has(key)));
      const rows = [
        { ...row, unknown },
        { ...row, number: 7, table: { ...row.table, unknown: inner } },
      ];
      expect(parseBundleList(encodeBundleList(rows))).toEqual(rows);
    }),
  );
});

test.each<[Partial<Record<keyof BundleRow, unknown>>, string]>([
  [{}, "none"],
  [{ number: 0 }, "bad-bundle-list"],
  [{ number: 2 ** 53 }, "bad-bundle-list"],
  [{ kind: "metadata" }, "bad-bundle-list"],
  [{ infoHash: "C".repeat(40) }, "bad-bundle-list"],
  [{ lengthBytes: 131_071 }, "bad-bundle-list"],
  [{ pieceLength: 1000 }, "bad-bundle-list"],
  [{ contentCount: MAX_BUNDLE_CONTENTS + 1 }, "bad-bundle-list"],
  [{ contentCount: 3 }, "bad-bundle-list"],
  [{ table: { sha256: HEX, lengthBytes: 79 } }, "bad-bundle-list"],
  [{ name: ".." }, "bad-bundle-list"],
  [{ name: "a/b" }, "bad-bundle-list"],
  [{ name: "a\n" }, "bad-bundle-list"],
  [{ name: "" }, "bad-bundle-list"],
])("a bundle with %j: %s", (change, code) => {
  expect(codeOf(() => parseBundleList(encodeBundleList([{ ...row, ...change } as BundleRow])))).toBe(code);
});

test("bundles ascend by number", () => {
  expect(codeOf(() => parseBundleList(encodeBundleList([row, row])))).toBe("bad-order");
  expect(parseBundleList(new Uint8Array(0))).toEqual([]);
});

test("bundle changes must fit", () => {
  const rows = [1, 3, 5].map((number) => ({ ...row, number }));
  const apply = (bundlesAdded: readonly BundleRow[], bundlesRetired: readonly number[]): number[] =>
    applyBundleChanges(rows, { bundlesAdded, bundlesRetired }).map((bundle) => bundle.number);
  expect(
    apply(
      [
        { ...row, number: 9 },
        { ...row, number: 4 },
      ],
      [3],
    ),
  ).toEqual([1, 4, 5, 9]);
  expect(codeOf(() => apply([{ ...row, number: 3 }], [3]))).toBe("change-mismatch");
  expect(codeOf(() => apply([], [2]))).toBe("change-mismatch");
});

test("any content table survives", () => {
  const record = fc.record({
    content: fc.nat().map((n) => contentOf(`c${n}`)),
    lengthBytes: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(record, { minLength: 1, selector: (r) => r.content }), (contents) => {
      const table = ContentTable.parse(encodeContentTable(contents));
      expect([...table]).toEqual(contents);
      expect(table.lengths()).toEqual(contents.map(({ lengthBytes }) => lengthBytes));
      for (const beyond of [-1, contents.length]) expect(() => table.content(beyond)).toThrow(RangeError);
    }),
  );
});

const one = { content: contentOf("one"), lengthBytes: 1 };
test.each([
  ["nothing", new Uint8Array(0)],
  ["39 bytes", encodeContentTable([one]).subarray(1)],
  ["41 bytes", Buffer.concat([encodeContentTable([one]), Buffer.of(0)])],
  ["length 0", encodeContentTable([{ ...one, lengthBytes: 0 }])],
  ["an unsafe length", Buffer.alloc(40, 0xff)],
  ["the empty content", encodeContentTable([{ content: contentOf(""), lengthBytes: 1 }])],
  ["a content twice", encodeContentTable([one, one])],
  ["too many", Buffer.alloc(40 * (MAX_BUNDLE_CONTENTS + 1), 1)],
])("a content table with %s is refused", (_, bytes) => {
  expect(codeOf(() => ContentTable.parse(bytes))).toBe("bad-content-table");
});

const PIECE = 65_536;
const of = (lengthBytes: number, name: string = "a"): TorrentFile => ({
  path: path(name),
  content: contentOf(name),
  lengthBytes,
});

test("contents are cut into bundles in tree order", () => {
  const half = MAX_BUNDLE_BYTES / 2;
  const groups = (...lengths: number[]): number[][] =>
    Array.from(
      cutBundles(
        lengths.map((length) => of(length)),
        PIECE,
      ),
      (group) => group.map((content) => content.lengthBytes),
    );
  expect(groups()).toEqual([]);
  expect(groups(1, half, half - PIECE)).toEqual([[1, half, half - PIECE]]);
  // The single byte takes a whole piece.
  expect(groups(1, half, half)).toEqual([[1, half], [half]]);
  expect(groups(MAX_BUNDLE_BYTES)).toEqual([[MAX_BUNDLE_BYTES]]);
  expect(groups(1, MAX_BUNDLE_BYTES + 1, 2)).toEqual([[MAX_BUNDLE_BYTES + 1], [1, 2]]);
});

test("a bundle ends at 32,768 contents", () => {
  const contents = Array.from({ length: MAX_BUNDLE_CONTENTS + 1 }, () => of(1));
  expect(Array.from(cutBundles(contents, PIECE), (group) => group.length)).toEqual([MAX_BUNDLE_CONTENTS, 1]);
});

test("a .torrent stays below the 10 MB libtorrent takes", () => {
  const contents = Array.from({ length: 40_000 }, (_, i) => of(100_000, `pool/main/\u{ff}%FF/${"x".repeat(200)}/${i}`));
  const groups = [...cutBundles(contents, 16_384)];
  const lengths = groups.map((files) => {
    const pieceHashes = new Uint8Array(files.length * 7 * 20);
    return buildTorrent(
      buildInfoDictionary({ name: "n".repeat(200), pieceLength: 16_384, files, pieceHashes }),
      "http://a/",
    ).length;
  });
  expect(groups.flat()).toHaveLength(40_000);
  expect(Math.max(...lengths)).toBeLessThan(10_000_000);
  expect(lengths[0]).toBeGreaterThan(8_000_000);
});

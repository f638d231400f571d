import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBencode, encodeBencode, type BencodeDictionary, type BencodeValue } from "../../../src/codec/bencode.ts";
import { textOfByteString } from "../../../src/core/repo-path.ts";
import {
  buildInfoDictionary,
  buildTorrent,
  extractInfo,
  infoHashOf,
  parseInfoDictionary,
  type BundleInfo,
} from "../../../src/manifest/torrent.ts";
import { pathOfTorrentParts, torrentPathParts } from "../../../src/manifest/torrent-path.ts";
import { anyPath, codeOf, contentOf, path } from "./arbitrary-entry.ts";

const PIECE = 16_384;

function infoOf(files: readonly [string, number][]): BundleInfo {
  const pieces = files.reduce((sum, [, length]) => sum + Math.ceil(length / PIECE), 0);
  const pieceHashes = Buffer.from(Array.from({ length: pieces * 20 }, (_, i) => i % 251));
  const named = files.map(([name, lengthBytes]) => ({ path: path(name), content: contentOf(name), lengthBytes }));
  return { name: "prsync-1", pieceLength: PIECE, files: named, pieceHashes };
}

const info = infoOf([
  ["a", 1],
  [".pad/16383", PIECE],
  ["b/c", PIECE + 1],
]);
const bytes = buildInfoDictionary(info);

test("a bundle survives its info dictionary", () => {
  expect(parseInfoDictionary(bytes)).toEqual(info);
});

test("any paths and lengths survive", () => {
  const file = fc.record({
    path: anyPath,
    content: fc.nat().map((n) => contentOf(String(n))),
    lengthBytes: fc.integer({ min: 1, max: 5 * PIECE }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(file, { minLength: 1, maxLength: 10, selector: (f) => f.path }), (files) => {
      const pieces = files.reduce((sum, f) => sum + Math.ceil(f.lengthBytes / PIECE), 0);
      const any: BundleInfo = { name: "x", pieceLength: PIECE, files, pieceHashes: Buffer.alloc(pieces * 20, 7) };
      expect(parseInfoDictionary(buildInfoDictionary(any))).toEqual(any);
    }),
  );
});

test("the info dictionary is spliced and cut out byte for byte", () => {
  const torrent = buildTorrent(bytes, "http://central.example:7380/.prsync/announce");
  expect(Buffer.from(extractInfo(torrent))).toEqual(Buffer.from(bytes));
  const decoded = decodeBencode(torrent) as BencodeDictionary;
  expect([...decoded.keys()]).toEqual(["announce", "info"]);
  expect(infoHashOf(extractInfo(torrent))).toBe(infoHashOf(bytes));
  expect(infoHashOf(bytes)).toMatch(/^[0-9a-f]{40}$/);
});

test.each(["", "de", "d4:infoi1e", "le", "i1e"])("%j holds no info dictionary", (text) => {
  expect(codeOf(() => extractInfo(Buffer.from(text)))).toBe("bad-torrent");
});

/** The dictionary with one key replaced or (undefined) taken out. */
function changed(key: string, value: BencodeValue | undefined): Uint8Array {
  const fields = decodeBencode(bytes) as BencodeDictionary;
  fields.delete(key);
  if (value !== undefined) fields.set(key, value);
  return encodeBencode(fields);
}

const files = (decodeBencode(bytes) as BencodeDictionary).get("files") as BencodeDictionary[];
const withKey = (file: BencodeDictionary, key: string, value: BencodeValue): BencodeDictionary =>
  new Map(file).set(key, value);
const padding = files[1]!;

test.each<[string, Uint8Array]>([
  ["not private", changed("private", undefined)],
  ["private 0", changed("private", 0)],
  ["no name", changed("name", undefined)],
  ["a name with a slash", changed("name", Buffer.from("a/b"))],
  ["a name that is not UTF-8", changed("name", Buffer.of(0xff))],
  ["an odd piece length", changed("piece length", 20_000)],
  ["a negative piece length", changed("piece length", -1)],
  ["a hash too few", changed("pieces", info.pieceHashes.subarray(20))],
  ["hashes as list", changed("pieces", [])],
  ["no files", changed("files", [])],
  ["one file's length alone", changed("files", undefined)],
  [
    "padding left out",
    changed(
      "files",
      files.filter((file) => file !== padding),
    ),
  ],
  ["padding last left out", changed("files", files.slice(0, -1))],
  ["padding first", changed("files", [padding, ...files])],
  ["padding twice", changed("files", [files[0]!, padding, ...files.slice(1)])],
  ["padding of another length", changed("files", [files[0]!, withKey(padding, "length", 16_382), ...files.slice(2)])],
  [
    "padding with another path",
    changed("files", [files[0]!, withKey(padding, "path", [Buffer.from("x")]), ...files.slice(2)]),
  ],
  [
    "padding with another attribute",
    changed("files", [files[0]!, withKey(padding, "attr", Buffer.from("x")), ...files.slice(2)]),
  ],
  ["a content marked as padding", changed("files", [withKey(files[0]!, "attr", Buffer.from("p")), ...files.slice(1)])],
  ["a short content id", changed("files", [withKey(files[0]!, "sha256", Buffer.alloc(31)), ...files.slice(1)])],
  ["length 0", changed("files", [withKey(files[0]!, "length", 0), ...files.slice(1)])],
  [
    "a path out of the tree",
    changed("files", [withKey(files[0]!, "path", [Buffer.from(".."), Buffer.from("a")]), ...files.slice(1)]),
  ],
  ["a slash in a part", changed("files", [withKey(files[0]!, "path", [Buffer.from("x/y")]), ...files.slice(1)])],
  ["an empty path", changed("files", [withKey(files[0]!, "path", []), ...files.slice(1)])],
  [
    "an escape that is none",
    changed("files", [withKey(files[0]!, "path", [Buffer.from("%41%80".replace("%80", "%C3%BC"))]), ...files.slice(1)]),
  ],
  [
    "a path twice",
    changed("files", [withKey(files[0]!, "path", [Buffer.from("b"), Buffer.from("c")]), ...files.slice(1)]),
  ],
  ["a trailing byte", Buffer.concat([bytes, Buffer.of(0)])],
])("an info dictionary with %s is refused", (_, changedBytes) => {
  expect(codeOf(() => parseInfoDictionary(changedBytes))).toBe("bad-torrent");
});

test("keys of other programs are ignored", () => {
  expect(parseInfoDictionary(changed("__proto__", Buffer.from("x")))).toEqual(info);
});

test("what does not go together is not written", () => {
  expect(codeOf(() => buildInfoDictionary({ ...info, name: ".." }))).toBe("bad-torrent");
  expect(codeOf(() => buildInfoDictionary({ ...info, pieceHashes: new Uint8Array(20) }))).toBe("bad-torrent");
  expect(codeOf(() => buildInfoDictionary({ ...info, files: [] }))).toBe("bad-torrent");
  expect(
    codeOf(() =>
      buildInfoDictionary(
        infoOf([
          ["a", 1],
          ["a", 2],
        ]),
      ),
    ),
  ).toBe("bad-torrent");
});

const byte = (text: string): string => Buffer.from(text, "latin1").toString("latin1");
test.each([
  ["grün", Buffer.from("grün").toString("latin1"), Buffer.from("grün").toString("latin1")],
  ["latin1", byte("gr\xfcn"), "gr%FCn"],
  ["percent in latin1", byte("%gr\xfcn"), "%25gr%FCn"],
  ["a name that looks escaped", "gr%FCn", "gr%25FCn"],
  ["a percent sign that looks escaped", "100%25", "100%2525"],
  ["Debian's epoch", "libx_1%3a2.deb", "libx_1%3a2.deb"],
  ["an encoded plus", "g%2B%2B", "g%2B%2B"],
])("%s", (_, part, escaped) => {
  expect(torrentPathParts(part as BundleInfo["files"][number]["path"])).toEqual([escaped]);
  expect(pathOfTorrentParts([escaped])).toBe(part);
});

test("parts are UTF-8 and lead back to the path, so no two paths share them", () => {
  const unit = fc.oneof(
    fc.constantFrom("%", "%F", "C", "%25", "%FF", "%C3%BC", "\xc3\xbc", "\xff"),
    fc.constantFrom("a", "8", "2", "5"),
  );
  fc.assert(
    fc.property(fc.array(unit, { minLength: 1, maxLength: 8 }), anyPath, (units, other) => {
      for (const name of [units.join(""), other]) {
        const parts = torrentPathParts(name as typeof other);
        expect(parts.every((part) => textOfByteString(part) !== undefined)).toBe(true);
        expect(pathOfTorrentParts(parts)).toBe(name);
      }
    }),
    { numRuns: 3000 },
  );
});

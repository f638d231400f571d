import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeEntry, isSameEntry, parseEntry } from "../../../src/manifest/entry-line.ts";
import { anyEntry, codeOf, contentOf } from "./arbitrary-entry.ts";

const content = contentOf("x");
const empty = contentOf("");

test("any entry survives its line", () => {
  fc.assert(
    fc.property(anyEntry, (entry) => {
      const parsed = parseEntry(encodeEntry(entry));
      expect(parsed).toEqual(entry);
      expect(encodeEntry(parsed)).toBe(encodeEntry(entry));
    }),
    { numRuns: 1000 },
  );
});

test("entries are the same exactly if their lines are", () => {
  fc.assert(
    fc.property(anyEntry, anyEntry, fc.constantFrom(...Object.keys(fieldNames)), (a, b, key) => {
      // One field of another entry, so that near misses are tried too.
      const other = (b as unknown as Record<string, unknown>)[key];
      const mixed = a.kind === b.kind && other !== undefined ? { ...a, [key]: other } : b;
      expect(isSameEntry(a, mixed)).toBe(encodeEntry(a) === encodeEntry(mixed));
      expect(isSameEntry(a, parseEntry(encodeEntry(a)))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

const fieldNames = {
  path: 0,
  mode: 0,
  mtimeNs: 0,
  size: 0,
  target: 0,
  link: 0,
  uid: 0,
  gid: 0,
  xattrs: 0,
  unknown: 0,
};

const start = '{"path":"a","mode":"644","mtime":"1.000000000"';
const tail = `,"size":1,"content":"${content}"`;

test("the plain line is an entry", () => {
  expect(codeOf(() => parseEntry(`${start}${tail}}`))).toBe("none");
});

test.each([
  [`${start}${tail}} `, "trailing space"],
  [`${start}}`, "no size and content"],
  [`${start},"size":1}`, "no content"],
  [`${start},"content":"${content}"}`, "no size"],
  [`${start},"size":0,"content":"${content}"}`, "size 0 with a content"],
  [`${start},"size":1,"content":"${empty}"}`, "size 1 with the empty content"],
  [`${start},"size":-1,"content":"${content}"}`, "negative size"],
  [`${start},"size":1.5,"content":"${content}"}`, "fraction"],
  [`${start},"size":9007199254740993,"content":"${content}"}`, "unsafe integer"],
  [`${start},"size":1e999,"content":"${content}"}`, "infinite"],
  [`${start},"size":01,"content":"${content}"}`, "leading zero"],
  [`${start},"size":"1","content":"${content}"}`, "size as text"],
  [`${start},"size":1,"content":"${content.toUpperCase()}"}`, "upper-case hash"],
  [`${start},"size":1,"content":"${content.slice(1)}"}`, "short hash"],
  [`${start},"size":1,"md5":"d41d8cd98f00b204e9800998ecf8427e"}`, "md5 alone"],
  [`${start},"size":1,"content":["${content}"]}`, "list of hashes"],
  [`${start},"size":1,"content":[]}`, "empty list of hashes"],
  [`${start}${tail},"target":"b"}`, "target of a file"],
  [`${start}${tail},"link":"a"}`, "hard link to itself"],
  [`${start}${tail},"link":"b"}`, "hard link to a later path"],
  [`${start}${tail},"link":"../x"}`, "hard link out of the tree"],
  [`${start}${tail},"link":".prsync/x"}`, "hard link to the reserved name"],
  [`${start}${tail},"uid":-1}`, "negative owner"],
  [`${start}${tail},"uid":4294967296}`, "owner too large"],
  [`${start}${tail},"gid":1,"uid":1}`, "keys out of order"],
  [`${start}${tail},"xattrs":{}}`, "no attributes"],
  [`${start}${tail},"xattrs":{"user.a":"A"}}`, "odd base64"],
  [`${start}${tail},"xattrs":{"user.b":"","user.a":""}}`, "attributes out of order"],
  [`${start}${tail},"xattrs":[]}`, "attributes as list"],
  [`${start}${tail},"z":1,"b":1}`, "unknown keys out of order"],
  [`${start}${tail},"added":true}`, "word of change lists"],
  [`${start}${tail},"removed":true}`, "word of change lists"],
  [`${start}${tail},"absent":[]}`, "word of change lists"],
  [`{"path":"a","kind":"file","mode":"644","mtime":"1.000000000"${tail}}`, "default kind written out"],
  [`{"path":"a","kind":"device","mode":"644","mtime":"1.000000000"}`, "unknown kind"],
  [`{"path":"a","kind":"directory","mode":"644","mtime":"1.000000000"${tail}}`, "size of a directory"],
  [`{"path":"a","kind":"directory","mtime":"1.000000000"}`, "directory without mode"],
  [`{"path":"a","kind":"symlink","mtime":"1.000000000"}`, "symlink without target"],
  [`{"path":"a","kind":"symlink","mtime":"1.000000000","target":""}`, "empty target"],
  [`{"path":"a","kind":"symlink","mtime":"1.000000000","target":"b\\u0000"}`, "target with NUL"],
  [`{"path":"a","kind":"symlink","mtime":"1.000000000","target":"${"b".repeat(4096)}"}`, "long target"],
  [`{"path":"a","kind":"symlink","mode":"777","mtime":"1.000000000","target":"b"}`, "mode of a symlink"],
  [`{"path":"a","mode":"0644","mtime":"1.000000000"${tail}}`, "mode with leading zero"],
  [`{"path":"a","mode":"10000","mtime":"1.000000000"${tail}}`, "mode too large"],
  [`{"path":"a","mode":420,"mtime":"1.000000000"${tail}}`, "mode as number"],
  [`{"path":"a","mode":"688","mtime":"1.000000000"${tail}}`, "mode not octal"],
  [`{"path":"a","mtime":"1.000000000"${tail}}`, "no mode"],
  [`{"path":"a","mode":"644"${tail}}`, "no mtime"],
  [`{"path":"a","mode":"644","mtime":"1.0"${tail}}`, "short mtime"],
  [`{"path":"a","mode":"644","mtime":"-0.000000000"${tail}}`, "minus zero"],
  [`{"path":"a","mode":"644","mtime":1${tail}}`, "mtime as number"],
  [`{"mode":"644","mtime":"1.000000000"${tail}}`, "no path"],
  [`{"path":1,"mode":"644","mtime":"1.000000000"${tail}}`, "path as number"],
  [`{"path":"a","pathBase64":"YQ==","mode":"644","mtime":"1.000000000"${tail}}`, "two paths"],
  [`{"pathBase64":"YQ==","mode":"644","mtime":"1.000000000"${tail}}`, "base64 of UTF-8"],
  [`{"pathBase64":"/w","mode":"644","mtime":"1.000000000"${tail}}`, "base64 without padding"],
  [`{"path":"\\ud800","mode":"644","mtime":"1.000000000"${tail}}`, "lone surrogate"],
])("%s is refused (%s)", (line) => {
  expect(codeOf(() => parseEntry(line))).toBe("bad-entry");
});

test.each(["", "/a", "a/", "a//b", "..", "a/../b", ".", "a\\u0000b", ".prsync", ".prsync/x", "b".repeat(256)])(
  "the path %j is refused",
  (path) => {
    expect(codeOf(() => parseEntry(`{"path":"${path}","mode":"644","mtime":"1.000000000"${tail}}`))).toBe("bad-entry");
  },
);

test.each([".prsync2", "a/.prsync", ".prsyncx/a", "...", "a\\nb", "__proto__", "constructor/toString"])(
  "the path %j is fine",
  (path) => {
    expect(codeOf(() => parseEntry(`{"path":"${path}","mode":"644","mtime":"1.000000000"${tail}}`))).toBe("none");
  },
);

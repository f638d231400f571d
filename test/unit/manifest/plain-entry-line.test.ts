import fc from "fast-check";
import { expect, test } from "vitest";
import { EMPTY_CONTENT } from "../../../src/core/content-id.ts";
import { CoreError } from "../../../src/core/errors.ts";
import { encodeEntry } from "../../../src/manifest/entry-line.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { readPlainEntry } from "../../../src/manifest/plain-entry-line.ts";
import { anyEntry, contentOf, file } from "./arbitrary-entry.ts";

const plainEntry: fc.Arbitrary<Entry> = fc
  .tuple(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 8 }), fc.nat(), fc.nat(0o7777), fc.boolean())
  .map(([name, mtime, mode, isDirectory]) => {
    const plain = { ...file(`a/x${name.replaceAll("/", "_")}`), mtimeNs: BigInt(mtime), mode };
    return isDirectory ? { kind: "directory", path: plain.path, mtimeNs: plain.mtimeNs, mode } : plain;
  });

/** A line with one of its characters replaced, left out or another put in. */
const nearLine = fc
  .tuple(
    fc.oneof(plainEntry, anyEntry).map(encodeEntry),
    fc.nat(),
    fc.constantFrom("", "0", "-", " ", "/", "\\", '"', "f", "é"),
    fc.nat(2),
  )
  .map(([line, at, text, width]) => {
    const position = at % line.length;
    return line.slice(0, position) + text + line.slice(position + width);
  });

test("what is read the short way is what its line says, byte for byte", () => {
  let accepted = 0;
  fc.assert(
    fc.property(nearLine, (line) => {
      const entry = read(line);
      if (entry !== undefined) accepted++;
      expect(entry === undefined ? line : encodeEntry(entry)).toBe(line);
    }),
    { numRuns: 5000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

function read(line: string): Entry | undefined {
  try {
    return readPlainEntry(line);
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}

test("plain files and directories are read the short way", () => {
  const directory = { kind: "directory", path: file("a/b").path, mode: 0o755, mtimeNs: 1_700_000_000_123_456_789n };
  expect(readPlainEntry(encodeEntry(directory as never))).toEqual(directory);
  expect(readPlainEntry(encodeEntry(file("dists/stable/main_1.0~2+b1.deb", 7)))).toEqual(
    file("dists/stable/main_1.0~2+b1.deb", 7),
  );
});

const start = '{"path":"a","mode":"644","mtime":"1.000000000"';
test.each([
  [`${start},"size":1,"content":"${EMPTY_CONTENT}"}`],
  [`${start},"size":0,"content":"${contentOf("x")}"}`],
  [`${start}}`],
  [`{"path":".prsync/a","mode":"644","mtime":"1.000000000","size":1,"content":"${contentOf("x")}"}`],
])("line %s is left to the careful reader", (line) => {
  expect(readPlainEntry(line)).toBeUndefined();
});

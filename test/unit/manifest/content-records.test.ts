import fc from "fast-check";
import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { parseContentId, type ContentId } from "../../../src/core/content-id.ts";
import { encodeRecordsIndex, findRecords, recordsIndexLength } from "../../../src/manifest/content-records.ts";
import { ManifestError } from "../../../src/manifest/errors.ts";
import { codeOf } from "./arbitrary-entry.ts";

const contentOf = (name: string): ContentId => parseContentId(hash("sha256", name, "hex"));

/** A file of records as the publisher writes it. */
function fileOf(records: readonly (readonly [ContentId, Uint8Array])[]): Buffer {
  const index = encodeRecordsIndex(records.map(([content, bytes]) => ({ content, lengthBytes: bytes.length })));
  return Buffer.concat([index, ...records.map(([, bytes]) => bytes)]);
}

function indexOf(file: Uint8Array): Uint8Array {
  return file.subarray(0, recordsIndexLength(file.subarray(0, 16), file.length));
}

test("the layout is the documented one", () => {
  const file = fileOf([[contentOf("a"), Buffer.from("xyz")]]);
  const head = "50524352" + "00000001" + "0000000000000001";
  expect(file.toString("hex")).toBe(`${head}${contentOf("a")}00000003${Buffer.from("xyz").toString("hex")}`);
});

test("every wanted record is found with its own bytes, others are not", () => {
  const name = fc.string({ maxLength: 8 });
  const records = fc.uniqueArray(fc.tuple(name, fc.uint8Array({ maxLength: 40 })), { selector: ([key]) => key });
  fc.assert(
    fc.property(records, fc.array(name), (given, wantedNames) => {
      const file = fileOf(given.map(([key, bytes]) => [contentOf(key), bytes]));
      const found = findRecords(indexOf(file), file.length, new Set(wantedNames.map(contentOf)));
      const expected = given.filter(([key]) => wantedNames.includes(key));
      expect(found.size).toBe(expected.length);
      for (const [key, bytes] of expected) {
        const { start, end } = found.get(contentOf(key))!;
        expect(file.subarray(start, end).equals(bytes)).toBe(true);
      }
    }),
  );
});

const good = fileOf([
  [contentOf("a"), Buffer.from("aa")],
  [contentOf("b"), Buffer.from("bbb")],
]);
const wanted = new Set([contentOf("a"), contentOf("b")]);

function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(good);
  change(bytes);
  return bytes;
}

test.each<[string, Buffer]>([
  ["no header", Buffer.from("PRCR")],
  ["another magic", changed((bytes) => bytes.write("PRSG"))],
  ["another format", changed((bytes) => bytes.writeUInt32BE(2, 4))],
  ["more records than the file has room for", changed((bytes) => bytes.writeBigUInt64BE(3n, 8))],
  ["an absurd number of records", changed((bytes) => bytes.writeBigUInt64BE(2n ** 64n - 1n, 8))],
  ["a record that ends beyond the file", changed((bytes) => bytes.writeUInt32BE(0xffff_ffff, 48))],
  ["records that end before the file does", changed((bytes) => bytes.writeUInt32BE(2, 84))],
  ["a truncated file", good.subarray(0, -1)],
  ["a content twice", changed((bytes) => bytes.write(contentOf("a"), 52, "hex"))],
])("%s is refused", (_name, file) => {
  expect(codeOf(() => findRecords(indexOf(file), file.length, wanted))).toBe("bad-records");
});

test("any bytes at all are read or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (tail, isOurs) => {
      const file = Buffer.concat([isOurs ? Buffer.from("5052435200000001", "hex") : Buffer.alloc(0), tail]);
      try {
        findRecords(indexOf(file), file.length, wanted);
      } catch (error) {
        expect(error).toBeInstanceOf(ManifestError);
      }
    }),
  );
});

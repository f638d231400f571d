import * as fs from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { writeSparse, writeSparseSync } from "../../../src/store/sparse-write.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const LENGTH = 64 * 1024;
const BLOCK = 4096;

/** A piece of a file that is zeros in parts. */
const write = fc.record({
  offset: fc.integer({ min: 0, max: LENGTH - 1 }),
  parts: fc.array(fc.record({ length: fc.integer({ min: 1, max: 3 * BLOCK }), byte: fc.constantFrom(0, 0, 7) }), {
    maxLength: 6,
  }),
});

test("whatever was there and in whatever order, the bytes are those of plain writes", async () => {
  const directory = temporaryDirectory();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 8 }), fc.boolean(), async (writes, isSync) => {
      const file = join(directory, `${run++}`);
      const expected = Buffer.alloc(LENGTH);
      const descriptor = fs.openSync(file, "w+");
      fs.ftruncateSync(descriptor, LENGTH);
      for (const { offset, parts } of writes) {
        const bytes = Buffer.concat(parts.map(({ length, byte }) => Buffer.alloc(length, byte))).subarray(
          0,
          LENGTH - offset,
        );
        bytes.copy(expected, offset);
        if (isSync) writeSparseSync(descriptor, bytes, offset);
        else await writeSparse(descriptor, bytes, offset);
      }
      fs.closeSync(descriptor);
      expect(fs.readFileSync(file).equals(expected)).toBe(true);
      fs.rmSync(file);
    }),
    { numRuns: 60 },
  );
});

test("a block of zeros takes no room, a block with one other byte does", () => {
  const file = join(temporaryDirectory(), "file");
  const descriptor = fs.openSync(file, "w+");
  fs.ftruncateSync(descriptor, 16 * BLOCK);
  const bytes = Buffer.alloc(16 * BLOCK);
  bytes[5 * BLOCK + 17] = 1;
  writeSparseSync(descriptor, bytes.subarray(0, 7_001), 0);
  writeSparseSync(descriptor, bytes.subarray(7_001), 7_001);
  expect([fs.fstatSync(descriptor).size, fs.fstatSync(descriptor).blocks * 512]).toEqual([16 * BLOCK, BLOCK]);
  fs.closeSync(descriptor);
});

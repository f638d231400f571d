import fc from "fast-check";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RepoPath } from "../../../src/core/repo-path.ts";
import { FileTable, FileTableWriter, type TableRow } from "../../../src/store/file-table.ts";
import { readFileTable } from "../../../src/store/file-table-reading.ts";
import { path, PublishFixture, readManifest } from "../publisher/published-fixture.ts";

const count = fc.integer({ min: 0, max: 2 ** 31 });
const place = fc.option(
  fc.record({ bundle: count, ordinal: count, sinceRelease: fc.oneof(count, fc.constant(Infinity)) }),
  { nil: undefined },
);
const byteString = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString("latin1") as RepoPath);
const row: fc.Arbitrary<TableRow> = fc.record({
  path: byteString,
  lengthBytes: fc.maxSafeNat(),
  mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  place,
});
const rows = fc.uniqueArray(row, { selector: (one) => one.path, maxLength: 200 });

function tableOf(all: readonly TableRow[], seed = 7): FileTable {
  const writer = new FileTableWriter({ release: 3, seed, files: all.length });
  for (const one of all) writer.add(one);
  return new FileTable(writer.finish());
}

function foundOf({ digest, path: _, ...facts }: TableRow): object {
  return { ...facts, content: Buffer.from(digest).toString("hex") };
}

describe("FileTable", () => {
  test("gives back each file that went in, and nothing for another path", () => {
    fc.assert(
      fc.property(rows, byteString, fc.integer(), (all, other, seed) => {
        const table = tableOf(all, seed);
        expect(all.map((one) => table.find(`/${one.path}`, 1))).toEqual(all.map(foundOf));
        const isThere = all.some((one) => one.path === other);
        expect(table.find(other) === undefined).toBe(!isThere);
      }),
    );
  });

  test("leaves paths that share a key to the index", () => {
    const one: TableRow = {
      path: path("a"),
      lengthBytes: 1,
      mtimeNs: 0n,
      digest: Buffer.alloc(32),
      place: undefined,
    };
    expect(tableOf([one, { ...one, lengthBytes: 2 }]).find("a")).toBeUndefined();
  });

  test("leaves a file with a time that 64 bits of nanoseconds don't hold to the index", () => {
    fc.assert(
      fc.property(row, fc.bigInt({ min: 2n ** 63n, max: 2n ** 70n }), (one, mtimeNs) => {
        expect(tableOf([{ ...one, mtimeNs }]).find(one.path)).toBeUndefined();
      }),
    );
  });

  test("is empty without files", () => {
    expect(tableOf([]).find("a")).toBeUndefined();
  });
});

describe("readFileTable", () => {
  test("reads the files of the release as the index shows them", async () => {
    using fixture = new PublishFixture();
    mkdirSync(join(fixture.tree, "pool"));
    writeFileSync(join(fixture.tree, "pool/a+b_1~2.deb"), "a".repeat(20_000));
    writeFileSync(join(fixture.tree, "pool/same"), "a".repeat(20_000));
    writeFileSync(join(fixture.tree, "empty"), "");
    symlinkSync("pool/same", join(fixture.tree, "link"));
    await fixture.publish();
    using tree = await fixture.open();
    const table = (await tree.readFileTable())!;
    expect(table.release).toBe(1);
    const files = (await readManifest(tree)).filter((entry) => entry.kind === "file");
    expect(files).toHaveLength(3);
    for (const { path: at, content, size, mtimeNs } of files) {
      expect(table.find(at)).toEqual({ content, lengthBytes: size, mtimeNs, place: tree.placeOf(content) });
    }
    expect([table.find("link"), table.find("pool")]).toEqual([undefined, undefined]);
  });

  test("gives nothing before the first release, and none to who has gone", async () => {
    using fixture = new PublishFixture();
    expect(await readFileTable(fixture.options.workDirectory, new AbortController().signal)).toBeUndefined();
    writeFileSync(join(fixture.tree, "a"), "a");
    await fixture.publish();
    const gone = new AbortController();
    const reading = readFileTable(fixture.options.workDirectory, gone.signal);
    gone.abort();
    expect(await reading).toBeUndefined();
  });
});

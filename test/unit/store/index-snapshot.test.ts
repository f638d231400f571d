import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { readIndexSnapshot } from "../../../src/store/index-snapshot.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const VERSION = 3;

/** As the programs open theirs; the log goes with the last that closes. */
function openWriter(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  database.exec("PRAGMA journal_mode = WAL");
  return database;
}

function makeIndex({ version = VERSION, rows = 100 } = {}): string {
  const path = join(temporaryDirectory(), "index.sqlite");
  const database = openWriter(path);
  database.exec(`CREATE TABLE t(x); PRAGMA user_version = ${version}`);
  addRows(database, rows);
  database.close();
  return path;
}

function addRows(database: DatabaseSync, count: number): void {
  database.exec(`BEGIN; WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO t SELECT randomblob(1000) FROM n; COMMIT`);
}

function count(database: DatabaseSync): number {
  return Number(database.prepare("SELECT count(*) AS n FROM t").get()!.n);
}

function traces(path: string): string[] {
  const directory = dirname(path);
  return readdirSync(directory).map((name) => {
    const { ino, size, mtimeNs, ctimeNs } = statSync(join(directory, name), { bigint: true });
    return [name, ino, size, mtimeNs, ctimeNs].join(" ");
  });
}

test("reading leaves no trace beside the index", async () => {
  const path = makeIndex();
  const before = traces(path);
  const read = await readIndexSnapshot({ path, version: VERSION }, (database) => Promise.resolve(count(database)));
  expect(read).toEqual({ outcome: "read", result: 100 });
  expect(traces(path)).toEqual(before);
});

test("what a writer that is there commits meanwhile is not seen", async () => {
  const path = makeIndex();
  const writer = openWriter(path);
  addRows(writer, 1);
  const read = await readIndexSnapshot({ path, version: VERSION }, (database) => {
    const first = count(database);
    addRows(writer, 500);
    return Promise.resolve([first, count(database)]);
  });
  expect(read).toEqual({ outcome: "read", result: [101, 101] });
  expect(count(writer)).toBe(601);
});

test.each([
  ["and goes on", false],
  ["and is done", true],
])("after a writer that comes meanwhile %s all is read once more", async (_, isDone) => {
  const path = makeIndex();
  const pairs: number[][] = [];
  const read = await readIndexSnapshot({ path, version: VERSION }, (database) => {
    const first = count(database);
    if (pairs.length === 0) {
      const writer = openWriter(path);
      addRows(writer, 2_000);
      if (isDone) writer.close();
    }
    const pair = [first, count(database)];
    pairs.push(pair);
    return Promise.resolve(pair);
  });
  expect(read).toEqual({ outcome: "read", result: [2_100, 2_100] });
  expect(pairs).toHaveLength(2);
});

test("none, an empty one, one of another version and a damaged one", async () => {
  const readAny = (path: string): Promise<unknown> =>
    readIndexSnapshot({ path, version: VERSION }, (database) => Promise.resolve(count(database)));
  expect(await readAny(join(temporaryDirectory(), "none", "index.sqlite"))).toEqual({ outcome: "none" });
  const empty = join(temporaryDirectory(), "index.sqlite");
  writeFileSync(empty, "");
  expect(await readAny(empty)).toEqual({ outcome: "none" });
  expect(await readAny(makeIndex({ version: VERSION - 1 }))).toEqual({ outcome: "older" });
  await expect(readAny(makeIndex({ version: VERSION + 1 }))).rejects.toMatchObject({ code: "index-too-new" });
  const garbage = join(temporaryDirectory(), "index.sqlite");
  writeFileSync(garbage, "no database at all".repeat(1000));
  await expect(readAny(garbage)).rejects.toMatchObject({ code: "index-damaged" });
  const lacking = makeIndex();
  const database = openWriter(lacking);
  database.exec("DROP TABLE t");
  database.close();
  await expect(readAny(lacking)).rejects.toMatchObject({ code: "index-damaged" });
  rmSync(lacking);
  expect(await readAny(lacking)).toEqual({ outcome: "none" });
});

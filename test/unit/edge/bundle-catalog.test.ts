import { expect, test, vi } from "vitest";
import { BundleCatalog } from "../../../src/edge/bundle-catalog.ts";
import type { ObjectSource } from "../../../src/edge/manifest-update.ts";
import { encodeContentTable, type TableContent } from "../../../src/manifest/content-table.ts";
import { ManifestError } from "../../../src/manifest/errors.ts";
import { objectRefOf } from "../../../src/manifest/object-ref.ts";
import { bundleRow, contentOf, MirrorDisk } from "./mirror-disk.ts";

const SIGNAL = new AbortController().signal;

function tableOf(...texts: readonly string[]): TableContent[] {
  return texts.map((text) => ({ content: contentOf(text), lengthBytes: text.length }));
}

function catalogOf(
  disk: MirrorDisk,
  tables: readonly (readonly TableContent[])[],
  signal: AbortSignal = SIGNAL,
): { catalog: BundleCatalog; asked: string[] } {
  const encoded = new Map(
    tables.map((table) => [objectRefOf(encodeContentTable(table)).sha256, encodeContentTable(table)]),
  );
  const asked: string[] = [];
  const objects: ObjectSource = {
    object: async ({ sha256 }) => {
      asked.push(sha256);
      return encoded.get(sha256) ?? Buffer.from("odd");
    },
  };
  const files = { read: async () => undefined };
  return { catalog: new BundleCatalog({ index: disk.index, files, objects, signal }), asked };
}

test("a content is found in the newest bundle that has it", async () => {
  const tables = [tableOf("a", "b"), tableOf("c", "b")];
  const { catalog } = catalogOf(new MirrorDisk(), tables);
  await catalog.learn(
    tables.map((table, i) => bundleRow(i + 1, table)),
    SIGNAL,
  );
  expect(catalog.placeOf(contentOf("b"))).toEqual({ bundle: 2, ordinal: 1, lengthBytes: 1 });
  expect(catalog.placeOf(contentOf("a"))).toEqual({ bundle: 1, ordinal: 0, lengthBytes: 1 });
  expect(catalog.placeOf(contentOf("z"))).toBeUndefined();
});

test("a table is fetched once, also over restarts", async () => {
  const disk = new MirrorDisk();
  const table = tableOf("a");
  const first = catalogOf(disk, [table]);
  await first.catalog.learn([bundleRow(1, table)], SIGNAL);
  const second = catalogOf(disk, [table]);
  await second.catalog.learn([bundleRow(1, table)], SIGNAL);
  expect([first.asked.length, second.asked.length]).toEqual([1, 0]);
});

test("a malformed table is refused and nothing is learned", async () => {
  const disk = new MirrorDisk();
  const { catalog } = catalogOf(disk, []);
  await expect(catalog.learn([bundleRow(1, tableOf("a"))], SIGNAL)).rejects.toThrow(ManifestError);
  expect(disk.index.bundles.all()).toEqual([]);
});

test("everybody gets the same living bundle; it holds the pieces of verified files alone", async () => {
  const disk = new MirrorDisk();
  const table = tableOf("a", "b", "c");
  const row = bundleRow(1, table);
  const { catalog } = catalogOf(disk, [table]);
  await catalog.learn([row], SIGNAL);
  disk.hold("a", "a");
  disk.write("b", "b");
  disk.record("b", contentOf("b"), false);
  const bundle = (await catalog.bundle(row.infoHash))!;
  expect(await catalog.bundle(row.infoHash)).toBe(bundle);
  expect([...bundle.held]).toEqual([0]);
});

test("a large bundle is looked up in turns: who asks at the same time gets the same, with what came meanwhile", async () => {
  const disk = new MirrorDisk();
  const texts = Array.from({ length: 2_000 }, (_, index) => `text ${index}`);
  const table = tableOf(...texts);
  const row = bundleRow(1, table);
  const { catalog } = catalogOf(disk, [table]);
  await catalog.learn([row], SIGNAL);
  disk.hold("last", "text 1999");
  let turns = 0;
  const others = setInterval(() => {
    if (turns++ === 0) disk.hold("first", "text 0");
  }, 0);
  const asked = [catalog.bundle(row.infoHash), catalog.bundle(row.infoHash)];
  const [bundle, same] = await Promise.all(asked);
  clearInterval(others);
  expect(turns).toBeGreaterThan(0);
  expect(same).toBe(bundle);
  expect([...bundle!.held]).toEqual([0, 1_999]);
});

test("a bundle that is looked up while DEST goes on changing hears the rest of it with the others", async () => {
  const disk = new MirrorDisk();
  const table = tableOf(...Array.from({ length: 600 }, (_, index) => `text ${index}`));
  const row = bundleRow(1, table);
  const { catalog } = catalogOf(disk, [table]);
  await catalog.learn([row], SIGNAL);
  disk.hold("last", "text 599");
  const asked = catalog.bundle(row.infoHash);
  // Each look sees one of them too late.
  let changes = 0;
  const changing = setInterval(() => disk.hold(`changed-${changes}`, `text ${changes++}`), 0);
  const told: number[] = [];
  await catalog.refreshLiving((_, piece) => told.push(piece));
  clearInterval(changing);
  const bundle = (await asked)!;
  await catalog.refreshLiving((_, piece) => told.push(piece));
  expect([...bundle.held]).toEqual([...Array.from({ length: changes }, (_, index) => index), 599]);
});

test("a look at a bundle ends with the program, and one that failed does not end the next", async () => {
  const disk = new MirrorDisk();
  const table = tableOf("a");
  const row = bundleRow(1, table);
  const closing = new AbortController();
  const { catalog } = catalogOf(disk, [table], closing.signal);
  await catalog.learn([row], SIGNAL);
  vi.spyOn(disk.index.bundles, "heldOrdinals").mockImplementationOnce(() => {
    throw new Error("database is locked");
  });
  await expect(catalog.bundle(row.infoHash)).rejects.toThrow("locked");
  expect(await catalog.bundle(row.infoHash)).toBeDefined();
  const other = catalogOf(disk, [table], closing.signal).catalog;
  closing.abort(new Error("closed"));
  await expect(other.bundle(row.infoHash)).rejects.toThrow("closed");
});

test("a bundle that is retired while it is looked up is none", async () => {
  const table = tableOf(...Array.from({ length: 600 }, (_, index) => `text ${index}`));
  const row = bundleRow(1, table);
  const { catalog } = catalogOf(new MirrorDisk(), [table]);
  await catalog.learn([row], SIGNAL);
  const asked = catalog.bundle(row.infoHash);
  catalog.retireAllBut([]);
  expect(await asked).toBeUndefined();
});

test("pieces that DEST got since are told once to whom uses the bundle", async () => {
  const disk = new MirrorDisk();
  const table = tableOf("a", "b");
  const row = bundleRow(1, table);
  const { catalog } = catalogOf(disk, [table]);
  await catalog.learn([row], SIGNAL);
  const bundle = (await catalog.bundle(row.infoHash))!;
  disk.hold("b", "b");
  const told: number[] = [];
  await catalog.refreshLiving((infoHash, piece) => told.push(infoHash === row.infoHash ? piece : -1));
  await catalog.refreshLiving((_, piece) => told.push(piece));
  expect(told).toEqual([1]);
  expect(bundle.held.has(1)).toBe(true);
});

test("a retired bundle is gone with its table, others stay", async () => {
  const tables = [tableOf("a"), tableOf("b")];
  const rows = tables.map((table, i) => bundleRow(i + 1, table));
  const { catalog } = catalogOf(new MirrorDisk(), tables);
  await catalog.learn(rows, SIGNAL);
  await catalog.bundle(rows[0]!.infoHash);
  catalog.retireAllBut(rows.slice(1));
  expect(await catalog.bundle(rows[0]!.infoHash)).toBeUndefined();
  expect([catalog.placeOf(contentOf("a")), catalog.row(2)?.number]).toEqual([undefined, 2]);
});

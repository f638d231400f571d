import { hash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { applyChanges, diffEntries } from "../../../src/manifest/apply-changes.ts";
import { cutChunks, parseChunk, type EncodedChunk } from "../../../src/manifest/chunk.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { encodeIndex } from "../../../src/manifest/manifest-index.ts";
import type { PathChange } from "../../../src/manifest/path-change.ts";
import { updateChunks } from "../../../src/manifest/update-chunks.ts";
import { file } from "./arbitrary-entry.ts";

const isCut = (name: string): boolean => hash("sha256", name, "buffer").readUInt32BE(0) % 750 === 0;
const names = Array.from({ length: 16_000 }, (_, i) => `f${String(i).padStart(5, "0")}`);
/** Many forced cuts: only one in so many of the cut paths is left. */
const rarelyCut = names.filter((name, i) => !isCut(name) || i % 3 === 0);
const neverCut = names.filter((name) => !isCut(name));

function loaderOf(chunks: readonly EncodedChunk[]): { load: (sha256: string) => Entry[]; loaded: string[] } {
  const bySha256 = new Map(chunks.map((chunk) => [chunk.ref.sha256, chunk.bytes]));
  const loaded: string[] = [];
  const load = (sha256: string): Entry[] => {
    loaded.push(sha256);
    return parseChunk(bySha256.get(sha256)!);
  };
  return { load, loaded };
}

function compare(previous: readonly Entry[], changes: readonly PathChange[]): { loaded: number; total: number } {
  const old = [...cutChunks(previous)];
  const { load, loaded } = loaderOf(old);
  const updated = updateChunks(
    old.map((chunk) => chunk.ref),
    load,
    changes,
  );
  const wanted = [...cutChunks(applyChanges(previous, changes))];
  expect(updated.refs).toEqual(wanted.map((chunk) => chunk.ref));
  expect(Buffer.from(encodeIndex(updated.refs))).toEqual(Buffer.from(encodeIndex(wanted.map((chunk) => chunk.ref))));
  const held = new Map([...old, ...updated.newChunks].map((chunk) => [chunk.ref.sha256, chunk.bytes]));
  for (const chunk of wanted) expect(Buffer.compare(held.get(chunk.ref.sha256)!, chunk.bytes)).toBe(0);
  return { loaded: loaded.length, total: old.length };
}

/** Drops, changes and adds paths: scattered ones and whole runs. */
function releases(universe: readonly string[], seed: number): [Entry[], Entry[]] {
  const random = seededRandom(seed);
  const isIn = Array.from(universe, () => random() < 0.9);
  const next = new Map(universe.flatMap((name, i) => (isIn[i]! ? [[name, file(name)] as const] : [])));
  const previous = [...next.values()];
  const edits = Math.floor(random() * 8);
  for (let e = 0; e < edits; e++) {
    const start = Math.floor(random() * universe.length);
    const length = random() < 0.3 ? Math.floor(random() * 3000) : 1;
    const kind = Math.floor(random() * 3);
    for (const name of universe.slice(start, start + length)) {
      if (kind === 0) next.delete(name);
      else next.set(name, file(name, kind === 1 ? 0 : e + 1));
    }
  }
  return [previous, [...next.values()].sort((a, b) => (a.path < b.path ? -1 : 1))];
}

test.each([
  ["usual paths", names],
  ["forced cuts and others", rarelyCut],
  ["forced cuts only", neverCut],
])("touching only some chunks gives what a full cut gives: %s", (_, universe) => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const [previous, next] = releases(universe, seed);
      compare(previous, [...diffEntries(previous, next)]);
    }),
    { numRuns: 12 },
  );
});

test("from nothing, to nothing, and without a change", () => {
  const all = names.slice(0, 3000).map((name) => file(name));
  compare([], [...diffEntries([], all)]);
  compare(all, [...diffEntries(all, [])]);
  compare([], []);
  expect(compare(all, []).loaded).toBe(0);
});

test("before the first, after the last, at and around every cut", () => {
  const all = names.slice(0, 5000).map((name) => file(name));
  const firsts = Array.from(cutChunks(all), (chunk) => chunk.ref.firstPath);
  expect(firsts.length).toBeGreaterThan(3);
  for (const first of firsts) {
    const i = all.findIndex((entry) => entry.path === first);
    for (const gone of [i - 1, i, i + 1].filter((at) => at >= 0)) {
      compare(all, [{ change: "removed", path: all[gone]!.path }]);
      compare(all, [{ change: "added", path: file(`${all[gone]!.path}+`).path, entry: file(`${all[gone]!.path}+`) }]);
    }
  }
  for (const name of ["a", "z"]) compare(all, [{ change: "added", path: file(name).path, entry: file(name) }]);
});

test("one change reads one chunk or a few", () => {
  const all = names.map((name) => file(name));
  const changed = [...diffEntries([all[8000]!], [file(names[8000]!, 1)])];
  expect(compare(all, changed)).toMatchObject({ loaded: 1 });
  const { loaded, total } = compare(all, [{ change: "removed", path: all[8000]!.path }]);
  expect(loaded).toBeLessThanOrEqual(2);
  expect(total).toBeGreaterThan(12);
});

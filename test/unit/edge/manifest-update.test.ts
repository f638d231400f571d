import { expect, test } from "vitest";
import { NetError } from "../../../src/net/errors.ts";
import { SyncError } from "../../../src/edge/errors.ts";
import {
  mapParallel,
  updateManifest,
  type HeldManifest,
  type ManifestUpdate,
} from "../../../src/edge/manifest-update.ts";
import { diffEntries } from "../../../src/manifest/apply-changes.ts";
import { encodeBundleList } from "../../../src/manifest/bundle-list.ts";
import { encodeChangeList } from "../../../src/manifest/change-list.ts";
import { ChunkCutter, cutChunks, parseChunk, type EncodedChunk } from "../../../src/manifest/chunk.ts";
import type { Entry, FileEntry } from "../../../src/manifest/entry.ts";
import { ManifestError } from "../../../src/manifest/errors.ts";
import { encodeIndex } from "../../../src/manifest/manifest-index.ts";
import { objectRefOf } from "../../../src/manifest/object-ref.ts";
import type { Release } from "../../../src/manifest/release.ts";
import { directoryEntry, fileEntry, pathOf, RecordingLog, releaseOf, symlinkEntry } from "./mirror-disk.ts";

/** Enough entries for several chunks between a file "lib" and what would stand below it, and before "pool/kept". */
const MANY: readonly FileEntry[] = [
  fileEntry("lib", "file"),
  ...numbered("lib"),
  ...numbered("pool"),
  fileEntry("pool/kept", "kept"),
];

function numbered(name: string): FileEntry[] {
  return Array.from({ length: 3_000 }, (_, i) => fileEntry(`${name}-${String(i).padStart(5, "0")}`, `${name} ${i}`));
}

/** What central has of a series of manifests, and which objects were asked for. */
class Publisher {
  readonly objects: Map<string, Uint8Array> = new Map();
  readonly asked: string[] = [];
  readonly log: RecordingLog = new RecordingLog();
  #release: Release | undefined;
  #entries: readonly Entry[] = [];

  publish(entries: readonly Entry[]): Release {
    const number = (this.#release?.number ?? 0) + 1;
    const chunks = cutUnchecked(entries);
    const index = encodeIndex(chunks.map(({ ref }) => ref));
    for (const { bytes } of chunks) this.#put(bytes);
    this.#put(index);
    this.#put(encodeBundleList([]));
    const changes = [...diffEntries(this.#entries, entries)];
    const head = { from: number - 1, to: number, requires: [], bundlesAdded: [], bundlesRetired: [] };
    const list = encodeChangeList({ ...head, changes });
    this.#put(list);
    const ref = { ...objectRefOf(list), from: number - 1, to: number };
    this.#release = releaseOf(number, [], {
      index: objectRefOf(index),
      changes: [...(number > 1 ? [ref] : []), ...(this.#release?.changes ?? [])],
    });
    this.#entries = entries;
    return this.#release;
  }

  update(held: HeldManifest, release: Release): Promise<ManifestUpdate> {
    const object = async ({ sha256 }: { readonly sha256: string }): Promise<Uint8Array> => {
      this.asked.push(sha256);
      const bytes = this.objects.get(sha256);
      if (bytes === undefined) throw new SyncError("central-refused", `no ${sha256}`);
      return bytes;
    };
    return updateManifest(held, release, { objects: { object }, signal: new AbortController().signal, log: this.log });
  }

  #put(bytes: Uint8Array): void {
    this.objects.set(objectRefOf(bytes).sha256, bytes);
  }
}

/** Chunks as a publisher would cut them that does not check the tree. */
function cutUnchecked(entries: readonly Entry[]): EncodedChunk[] {
  const cutter = new ChunkCutter();
  const chunks = entries.map((entry) => cutter.add(entry));
  return [...chunks, cutter.finish()].filter((chunk) => chunk !== undefined);
}

interface TestManifest extends HeldManifest {
  /** Hashes of the chunks that were put. */
  readonly put: string[];
}

function heldOf(release: number, entries: readonly Entry[]): TestManifest {
  const chunks = [...cutChunks(entries)];
  const bytes = new Map<string, Uint8Array>(chunks.map((chunk) => [chunk.ref.sha256, chunk.bytes]));
  const put: string[] = [];
  return {
    put,
    release,
    chunkRefs: () => chunks.map(({ ref }) => ref),
    entriesOf: (sha256) => parseChunk(bytes.get(sha256)!),
    putChunk: (sha256, chunk) => {
      put.push(sha256);
      bytes.set(sha256, chunk);
    },
    bundles: () => [],
    entry: (path) => entries.find((entry) => entry.path === path),
    firstBetween: (from, end) => entries.find((entry) => entry.path >= from && entry.path < end),
    entriesWith: (content) => entries.filter((entry) => entry.kind === "file" && entry.content === content),
  };
}

function nothingHeld(): TestManifest {
  return heldOf(0, []);
}

async function codeOf(update: Promise<unknown>): Promise<string> {
  const [outcome] = await Promise.allSettled([update]);
  if (outcome.status === "fulfilled") return "none";
  if (outcome.reason instanceof ManifestError) return outcome.reason.code;
  throw outcome.reason;
}

function sorted(...entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

test("an empty mirror reads index and chunks", async () => {
  const publisher = new Publisher();
  const release = publisher.publish(MANY);
  const held = nothingHeld();
  const update = await publisher.update(held, release);
  expect(objectRefOf(encodeIndex(update.chunkRefs))).toEqual(release.index);
  expect(held.put).toHaveLength(update.chunkRefs.length);
});

test("a small change costs its change list alone, over several releases too", async () => {
  const publisher = new Publisher();
  const first = publisher.publish(MANY);
  publisher.publish([...MANY, fileEntry("zz", "new")]);
  const third = publisher.publish([...MANY.slice(1), fileEntry("zz", "newer")]);
  const held = heldOf(first.number, MANY);
  const update = await publisher.update(held, third);
  expect(objectRefOf(encodeIndex(update.chunkRefs))).toEqual(third.index);
  expect(publisher.asked).toHaveLength(2);
  expect(held.put.length).toBeLessThan(update.chunkRefs.length);
});

test("the held release again asks for nothing", async () => {
  const publisher = new Publisher();
  const release = publisher.publish(MANY);
  await publisher.update(heldOf(release.number, MANY), release);
  expect(publisher.asked).toEqual([]);
});

test("a list that leads elsewhere, is malformed or missing is replaced by index and chunks", async () => {
  const publisher = new Publisher();
  const first = publisher.publish(MANY);
  const other = [...MANY, fileEntry("zz", "new")];
  const second = publisher.publish(other);
  const [list] = second.changes;
  const lying = encodeChangeList({
    ...{ from: 1, to: 2, requires: [], bundlesAdded: [], bundlesRetired: [] },
    changes: [{ change: "removed", path: MANY[0]!.path }],
  });
  for (const bytes of [lying, Buffer.from("{}\n"), undefined]) {
    if (bytes === undefined) publisher.objects.delete(list!.sha256);
    else publisher.objects.set(list!.sha256, bytes);
    const update = await publisher.update(heldOf(first.number, MANY), second);
    expect(objectRefOf(encodeIndex(update.chunkRefs))).toEqual(second.index);
  }
  expect(publisher.log.lines).toHaveLength(3);
});

test("a network that fails is no reason to ask for more", async () => {
  const publisher = new Publisher();
  const first = publisher.publish(MANY);
  const second = publisher.publish(MANY.slice(1));
  const object = async (): Promise<never> => {
    throw new NetError("unreachable", "gone");
  };
  const context = { objects: { object }, signal: new AbortController().signal, log: publisher.log };
  await expect(updateManifest(heldOf(first.number, MANY), second, context)).rejects.toThrow("gone");
});

test("a chunk of other bytes is refused", async () => {
  const publisher = new Publisher();
  const release = publisher.publish(MANY);
  const [first] = [...cutChunks(MANY)];
  publisher.objects.set(first!.ref.sha256, [...cutChunks(MANY.slice(1, 300))][0]!.bytes);
  expect(await codeOf(publisher.update(nothingHeld(), release))).toBe("hash-mismatch");
});

const LEADER = fileEntry("a", "linked");

function link(name: string, to: string, bytes = "linked"): FileEntry {
  return fileEntry(name, bytes, { link: pathOf(to) });
}

/** Trees that no reader may believe, signed all the same: what is wrong shows only beyond one chunk. */
const MALICIOUS: readonly (readonly [string, readonly Entry[], string])[] = [
  ["a path below a file", [fileEntry("lib/below", "below")], "path-conflict"],
  ["a path deep below a file", [fileEntry("lib/dir/below", "below")], "path-conflict"],
  ["a file above a path", [fileEntry("pool", "file")], "path-conflict"],
  ["a symlink above a path", [symlinkEntry("pool", "/etc")], "path-conflict"],
  ["a hard link to nothing", [link("zz", "nowhere")], "bad-entry"],
  ["a hard link to a directory", [directoryEntry("dir"), link("zz", "dir")], "bad-entry"],
  ["a hard link to a symlink", [symlinkEntry("ln", "/etc/passwd"), link("zz", "ln")], "bad-entry"],
  ["a hard link to a file of other bytes", [LEADER, link("zz", "a", "other")], "bad-entry"],
  ["a hard link to a hard link", [LEADER, link("b", "a"), link("zz", "b")], "bad-entry"],
];

test.each(MALICIOUS)("%s is refused from chunks", async (_name, entries, code) => {
  const publisher = new Publisher();
  const release = publisher.publish(sorted(...MANY, ...entries));
  expect(await codeOf(publisher.update(nothingHeld(), release))).toBe(code);
});

test.each(MALICIOUS)("%s is refused from change lists", async (_name, entries, code) => {
  const publisher = new Publisher();
  const first = publisher.publish(MANY);
  const second = publisher.publish(sorted(...MANY, ...entries));
  expect(await codeOf(publisher.update(heldOf(first.number, MANY), second))).toBe(code);
  expect(publisher.asked).toContain(second.changes[0]!.sha256);
});

test("a first name that changes or goes must take its further names along", async () => {
  const tree = sorted(...MANY, LEADER, link("zz", "a"));
  for (const next of [sorted(...MANY, link("zz", "a")), sorted(...MANY, fileEntry("a", "else"), link("zz", "a"))]) {
    const publisher = new Publisher();
    const first = publisher.publish(tree);
    const second = publisher.publish(next);
    expect(await codeOf(publisher.update(heldOf(first.number, tree), second))).toBe("bad-entry");
  }
});

test("a hard-link group that changes as a whole is fine, by lists and by chunks", async () => {
  const before = sorted(...MANY, LEADER, link("zz", "a"));
  const after = sorted(...MANY, fileEntry("a", "next"), link("b", "a", "next"), link("zz", "a", "next"));
  const publisher = new Publisher();
  const first = publisher.publish(before);
  const second = publisher.publish(after);
  expect(await codeOf(publisher.update(heldOf(first.number, before), second))).toBe("none");
  expect(await codeOf(publisher.update(nothingHeld(), second))).toBe("none");
  expect(publisher.log.lines).toEqual([]);
});

test("a directory that becomes a file with all below it gone is fine", async () => {
  const before = sorted(...MANY, directoryEntry("dir"), fileEntry("dir/a", "a"));
  const after = sorted(...MANY, fileEntry("dir", "now a file"));
  const publisher = new Publisher();
  const first = publisher.publish(before);
  expect(await codeOf(publisher.update(heldOf(first.number, before), publisher.publish(after)))).toBe("none");
});

test("parallel work keeps the order, begins nothing after a failure and leaves nothing behind", async () => {
  expect(await mapParallel([3, 1, 2], async (n) => n * 2, 2)).toEqual([6, 2, 4]);
  const begun: number[] = [];
  let running = 0;
  const act = async (n: number): Promise<void> => {
    begun.push(n);
    running++;
    await new Promise((resolve) => setTimeout(resolve, n * 5));
    running--;
    if (n === 1) throw new Error("first");
    if (n === 2) throw new Error("second");
  };
  await expect(mapParallel([1, 2, 3, 4, 5], act, 3)).rejects.toThrow("first");
  expect([begun, running]).toEqual([[1, 2, 3], 0]);
});

import { chmodSync, linkSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import type { RepoPath } from "../../../src/core/repo-path.ts";
import { ArrivedContents } from "../../../src/edge/arrived-contents.ts";
import { HeldContents } from "../../../src/edge/held-contents.ts";
import { fileStatOf } from "../../../src/store/file-stat.ts";
import { contentOf, MirrorDisk, pathOf } from "./mirror-disk.ts";

interface Held {
  readonly disk: MirrorDisk;
  readonly held: HeldContents;
  readonly arrived: ArrivedContents;
  /** Paths reported as changed. */
  readonly changed: RepoPath[];
  /** Of the clock. */
  readonly time: { nowMs: number };
}

function open(): Held {
  const disk = new MirrorDisk();
  const changed: RepoPath[] = [];
  const arrived = new ArrivedContents();
  const time = { nowMs: 0 };
  const clock = { monotonicMs: () => time.nowMs };
  const held = new HeldContents({ ...disk, arrived, clock, log: disk.log, onChanged: (path) => changed.push(path) });
  onTestFinished(async () => held[Symbol.asyncDispose]());
  return { disk, held, arrived, changed, time };
}

async function textOf(held: HeldContents, text: string): Promise<string | undefined> {
  const bytes = await held.read(contentOf(text), 0, text.length);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

test("bytes of a recorded file are given, any range of them", async () => {
  const { disk, held } = open();
  disk.hold("a", "0123456789");
  expect(Buffer.from((await held.read(contentOf("0123456789"), 3, 4))!).toString()).toBe("3456");
  expect(await textOf(held, "0123456789")).toBe("0123456789");
});

test("what is not recorded, or was only believed by size and time, is not given", async () => {
  const { disk, held, changed } = open();
  disk.write("a", "adopted");
  disk.record("a", contentOf("adopted"), false);
  expect([await textOf(held, "adopted"), await textOf(held, "unknown"), changed]).toEqual([undefined, undefined, []]);
});

test("a file that has its place and waits for its record is given", async () => {
  const { disk, held, arrived } = open();
  disk.write("a", "placed");
  const placing = arrived.whilePlacing(() => disk.record("a", contentOf("placed")));
  expect([await textOf(held, "placed"), await textOf(held, "unknown")]).toEqual(["placed", undefined]);
  placing[Symbol.dispose]();
  expect(await textOf(held, "placed")).toBe("placed");
});

test("a file edited in place is withdrawn with the next read and noted once, size and time restored or not", async () => {
  const { disk, held, changed } = open();
  disk.hold("a", "before");
  expect(await textOf(held, "before")).toBe("before");
  writeFileSync(disk.at("a"), "behind");
  utimesSync(disk.at("a"), 1_000_000, 1_000_000);
  expect([await textOf(held, "before"), await textOf(held, "before")]).toEqual([undefined, undefined]);
  expect(changed).toEqual(["a"]);
  expect([disk.index.files.get(pathOf("a")), disk.index.files.pending()]).toEqual([undefined, ["a"]]);
});

test("a file replaced by rename is withdrawn, whether it was open or not", async () => {
  const { disk, held, changed } = open();
  for (const name of ["open", "closed"]) disk.hold(name, `before ${name}`);
  expect(await textOf(held, "before open")).toBe("before open");
  for (const name of ["open", "closed"]) {
    disk.write("other", `behind ${name}`);
    renameSync(disk.at("other"), disk.at(name));
    expect(await textOf(held, `before ${name}`)).toBeUndefined();
  }
  expect(changed).toEqual(["open", "closed"]);
});

test("a file that went is withdrawn, its twin is read instead", async () => {
  const { disk, held, changed } = open();
  disk.hold("a", "same");
  disk.hold("b", "same");
  expect(await textOf(held, "same")).toBe("same");
  rmSync(disk.at("a"));
  expect(await textOf(held, "same")).toBe("same");
  rmSync(disk.at("b"));
  expect(await textOf(held, "same")).toBeUndefined();
  expect(changed).toEqual(["a", "b"]);
});

test("a changed file whose twin is well costs no read", async () => {
  const { disk, held } = open();
  disk.hold("a", "same");
  disk.hold("b", "same");
  writeFileSync(disk.at("a"), "else");
  expect(await textOf(held, "same")).toBe("same");
});

test("a further link or new mode that was recorded is no change", async () => {
  const { disk, held, changed } = open();
  disk.hold("a", "linked");
  expect(await textOf(held, "linked")).toBe("linked");
  linkSync(disk.at("a"), disk.at("b"));
  disk.record("a", contentOf("linked"));
  expect([await textOf(held, "linked"), changed]).toEqual(["linked", []]);
});

test("what this program changes itself is not given out, and neither reported nor forgotten", async () => {
  const { disk, held, changed } = open();
  disk.hold("a", "before");
  expect(await textOf(held, "before")).toBe("before");
  {
    using _expected = held.expectChanges(new Set([pathOf("a")]));
    disk.write("part", "behind");
    renameSync(disk.at("part"), disk.at("a"));
    expect(await textOf(held, "before")).toBeUndefined();
    disk.record("a", contentOf("behind"));
  }
  expect([await textOf(held, "behind"), await textOf(held, "before"), changed]).toEqual(["behind", undefined, []]);
  expect(disk.index.files.pending()).toEqual([]);
});

test("a record that was renewed while a read waited is not taken away", async () => {
  const { disk, held, changed } = open();
  disk.hold("a", "before");
  const reading = textOf(held, "before");
  disk.write("part", "behind");
  renameSync(disk.at("part"), disk.at("a"));
  disk.record("a", contentOf("behind"));
  expect([await reading, changed]).toEqual([undefined, []]);
  expect(disk.index.files.get(pathOf("a"))?.stat).toEqual(fileStatOf(disk.destination.lstat(pathOf("a"))!));
});

test("a path that is no file any more ends no read in an error", async () => {
  const { disk, held, changed } = open();
  disk.hold("dir/a", "text");
  rmSync(disk.at("dir"), { recursive: true });
  writeFileSync(disk.at("dir"), "a file");
  expect([await textOf(held, "text"), changed]).toEqual([undefined, ["dir/a"]]);
});

test("a read past the end of a cut file ends, and gives nothing", async () => {
  const { disk, held } = open();
  disk.write("short", "12");
  disk.record("short", contentOf("1234567890"));
  expect(await textOf(held, "1234567890")).toBeUndefined();
});

test("more contents than files are kept open are read, also at the same time", async () => {
  const { disk, held } = open();
  const texts = Array.from({ length: 200 }, (_, i) => `text ${i}`);
  for (const text of texts) disk.hold(text, text);
  expect(await Promise.all([...texts, ...texts].map((text) => textOf(held, text)))).toEqual([...texts, ...texts]);
});

test("who holds a file reads it to its end, whatever becomes of its name or mode", async () => {
  const { disk, held } = open();
  for (const name of ["removed", "private"]) disk.hold(name, name);
  for (const [name, damage] of [
    ["removed", () => rmSync(disk.at("removed"))],
    ["private", () => chmodSync(disk.at("private"), 0o600)],
  ] as const) {
    await using file = (await held.hold(contentOf(name)))!;
    damage();
    expect(Buffer.from((await file.read(1, 3))!).toString()).toBe(name.slice(1, 4));
    // Nobody else gets it.
    expect(await textOf(held, name)).toBeUndefined();
  }
});

test("who holds a file that was overwritten gets none of it, size and time restored or not, nor once the bytes are back", async () => {
  const { disk, held } = open();
  disk.hold("a", "before");
  await using file = (await held.hold(contentOf("before")))!;
  disk.write("a", "behind");
  expect(await file.read(0, 6)).toBeUndefined();
  // It was hashed once; who reads on does not pay for it again and again.
  disk.write("a", "before");
  expect(await file.read(0, 6)).toBeUndefined();
});

test("a file without a name is read for an hour, then its room is given back", async () => {
  const { disk, held, time } = open();
  disk.hold("a", "before");
  await using file = (await held.hold(contentOf("before")))!;
  rmSync(disk.at("a"));
  expect(await file.read(0, 6)).toBeDefined();
  time.nowMs += 3_600_000;
  expect(await file.read(0, 6)).toBeDefined();
  time.nowMs += 1;
  expect(await file.read(0, 6)).toBeUndefined();
});

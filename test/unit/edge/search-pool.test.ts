import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open, truncate, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { DeltaError } from "../../../src/delta/errors.ts";
import { loadStrongSum } from "../../../src/delta/strong-sum.ts";
import { SearchPool, type FoundMatches } from "../../../src/edge/search-pool.ts";
import { workerThreadCount } from "../../support/threads.ts";
import { randomBytes, sign } from "../delta/edited-content.ts";

const strong = await loadStrongSum();
const directory = mkdtempSync(join(tmpdir(), "prsync-search-"));
const pool = new SearchPool(1);
const forever = new AbortController().signal;
const MIB = 1024 * 1024;

afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

test("a thread finds what several basis files hold, in their order", async () => {
  const target = randomBytes(200_000, 1);
  const bases = [await basisOf("half", target.subarray(0, 100_000)), await basisOf("whole", target)];
  const { runs, unreadable } = await pool.search(searchFor(target, bases), forever);
  expect(unreadable).toEqual([]);
  expect(runs.map(({ basis, basisOffset, targetOffset }) => [basis, basisOffset === targetOffset])).toEqual([
    [0, true],
    [1, true],
  ]);
  expect(bytesIn({ runs, unreadable })).toBe(target.length);
});

test("a signature that is damaged, absurd or of another length is refused by name, and the thread goes on", async () => {
  const target = randomBytes(50_000, 2);
  const basis = [await basisOf("same", target)];
  const good = sign(target, strong, { blockLength: 700 });
  const changed = (change: (view: DataView) => void): Uint8Array => {
    const copy = Uint8Array.from(good);
    change(new DataView(copy.buffer));
    return copy;
  };
  const bad = [
    good.subarray(0, 31),
    good.subarray(0, -1),
    changed((view) => view.setUint32(6, 0)),
    changed((view) => view.setUint32(6, 0xffffffff)),
    changed((view) => view.setUint8(5, 255)),
    changed((view) => view.setUint32(10, 0xffffffff)),
  ];
  const search = async (signature: Uint8Array): Promise<unknown> =>
    await pool
      .search({ signature, contentLength: target.length, bases: basis }, forever)
      .catch((error: unknown) => error);
  const outcomes = await Promise.all(bad.map(search));
  expect(outcomes.map((outcome) => outcome instanceof DeltaError && outcome.code)).toEqual(
    Array<string>(bad.length).fill("bad-signature"),
  );
  expect(await search(changed((view) => view.setUint8(4, 9)))).toMatchObject({ code: "unknown-signature" });
  expect(bytesIn((await search(good)) as FoundMatches)).toBe(target.length);
});

test("a basis that can't be read is named, the others are searched", async () => {
  const target = randomBytes(100_000, 3);
  // Reading a directory fails with EISDIR, as a failing disk does with EIO.
  const bases = [await opened(directory), await basisOf("readable", target)];
  const found = await pool.search(searchFor(target, bases), forever);
  expect(found.unreadable).toEqual([{ basis: 0, reason: expect.stringContaining("EISDIR") as string }]);
  expect(bytesIn(found)).toBe(target.length);
});

test("a basis that shrinks while it is searched gives what is left of it", async () => {
  const target = randomBytes(MIB, 4);
  const shrinking = await basisOf("shrinking", Buffer.concat([new Uint8Array(64 * MIB), target]));
  const searching = pool.search(searchFor(target, [shrinking, await basisOf("kept", target)]), forever);
  await truncate(join(directory, "shrinking"), 1000);
  expect(bytesIn(await searching)).toBe(target.length);
});

test("a search that is given up ends at its next window, one that waits at once; both with the signal's reason", async () => {
  const target = randomBytes(MIB, 5);
  const search = searchFor(target, [await sparseBasis("endless", 64 * 1024 * MIB)]);
  const [running, waiting] = [new AbortController(), new AbortController()];
  const outcomes = [running, waiting].map(({ signal }) => pool.search(search, signal).catch((error: unknown) => error));
  waiting.abort("second");
  expect(await outcomes[1]).toBe("second");
  running.abort("first");
  expect(await outcomes[0]).toBe("first");
  await expect(pool.search(search, AbortSignal.abort("before"))).rejects.toBe("before");
  expect(bytesIn(await pool.search(searchFor(target, [await basisOf("after", target)]), forever))).toBe(target.length);
});

test("the event loop turns while a thread searches", async () => {
  const target = randomBytes(MIB, 6);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const timer = setInterval(() => turns++, 1);
  let turns = 0;
  delay.enable();
  await pool.search(searchFor(target, [await sparseBasis("large", 64 * MIB)]), forever);
  delay.disable();
  clearInterval(timer);
  console.log(`searching 64 MiB: ${turns} timers fired, delay p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`);
  expect(turns).toBeGreaterThan(20);
});

test("memory stays the same for a basis of 128 MiB and of 4 MiB", async () => {
  const target = randomBytes(MIB, 7);
  const residentAfter = async (lengthBytes: number): Promise<number> => {
    const name = `of ${lengthBytes}`;
    await pool.search(searchFor(target, [await sparseBasis(name, lengthBytes)]), forever);
    return process.memoryUsage.rss();
  };
  const small = await residentAfter(4 * MIB);
  const large = await residentAfter(128 * MIB);
  console.log(`resident after 4 MiB: ${(small / MIB).toFixed(0)} MiB, after 128 MiB: ${(large / MIB).toFixed(0)} MiB`);
  expect(large - small).toBeLessThan(64 * MIB);
});

test("a pool that rests has no idle threads, lets those at work go on, and starts others", async () => {
  const resting = new SearchPool(2);
  onTestFinished(() => resting[Symbol.asyncDispose]());
  const before = workerThreadCount();
  const target = randomBytes(MIB, 9);
  const quick = searchFor(target, [await basisOf("resting", target)]);
  const slow = searchFor(target, [await sparseBasis("resting slowly", 512 * MIB)]);
  const [first, second] = [resting.search(quick, forever), resting.search(slow, forever)];
  await first;
  resting.rest();
  await vi.waitFor(() => expect(workerThreadCount()).toBe(before + 1));
  expect(bytesIn(await second)).toBe(0);
  await vi.waitFor(() => expect(workerThreadCount()).toBe(before));
  expect(bytesIn(await resting.search(quick, forever))).toBe(MIB);
});

test("closing the pool ends what runs and what waits with a word", async () => {
  const closing = new SearchPool(1);
  const search = searchFor(randomBytes(MIB, 8), [await sparseBasis("closing", 64 * 1024 * MIB)]);
  const outcomes = [1, 2].map(() => closing.search(search, forever).catch((error: unknown) => error));
  await closing[Symbol.asyncDispose]();
  expect(await Promise.all(outcomes)).toEqual([
    expect.objectContaining({ code: "stopping" }),
    expect.objectContaining({ code: "stopping" }),
  ]);
  await expect(closing.search(search, forever)).rejects.toMatchObject({ code: "stopping" });
});

async function opened(path: string): Promise<FileHandle> {
  const handle = await open(path);
  onTestFinished(() => handle.close());
  return handle;
}

async function basisOf(name: string, bytes: Uint8Array): Promise<FileHandle> {
  writeFileSync(join(directory, name), bytes);
  return await opened(join(directory, name));
}

/** Zeros that lie nowhere on the disk. */
async function sparseBasis(name: string, lengthBytes: number): Promise<FileHandle> {
  writeFileSync(join(directory, name), "");
  await truncate(join(directory, name), lengthBytes);
  return await opened(join(directory, name));
}

function searchFor(target: Uint8Array, bases: readonly FileHandle[]): Parameters<SearchPool["search"]>[0] {
  return { signature: sign(target, strong, { blockLength: 1024 }), contentLength: target.length, bases };
}

function bytesIn({ runs }: FoundMatches): number {
  return runs.reduce((sum, run) => sum + run.length, 0);
}

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const MODULE = new URL("../../../src/cli/resting-heap.ts", import.meta.url).href;
const LOOK_EVERY_MS = 200;
/** Leaves a heap of over 100 MB, of which a third is needed, and a young generation of several MB, which V8 alone keeps. */
const WORK = `
  const { setTimeout: pause } = await import("node:timers/promises");
  const { PerformanceObserver, constants } = await import("node:perf_hooks");
  const { getHeapSpaceStatistics, getHeapStatistics } = await import("node:v8");
  const youngBytes = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size;
  let collections = 0;
  new PerformanceObserver((list) => {
    collections += list.getEntriesByType("gc").filter(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length;
  }).observe({ entryTypes: ["gc"] });
  let kept = Array.from({ length: 1_500_000 }, (_, index) => ({ index, text: "x" + index }));
  const memory = () => ({
    bytes: getHeapStatistics().total_heap_size, youngBytes: youngBytes(), residentBytes: process.memoryUsage.rss(),
  });
  const full = memory();
  kept = kept.slice(0, 500_000);
  const tell = () => {
    const left = memory();
    console.log(JSON.stringify({ full, left, collections, kept: kept.length }));
  };
`;
const SCATTERED_BYTES = 140e6;
/** `free()` frees so much memory in between buffers that stay. */
const SCATTERED_BUFFERS = `
  const { setTimeout: pause } = await import("node:timers/promises");
  let buffers = Array.from({ length: 200_000 }, () => Buffer.allocUnsafeSlow(700).fill(1));
  const full = { residentBytes: process.memoryUsage.rss() };
  const free = () => (buffers = buffers.filter((_, index) => index % 50 === 0));
  const tell = () => console.log(JSON.stringify({ full, left: { residentBytes: process.memoryUsage.rss() }, kept: buffers.length }));
`;

test("a program that rests gives its garbage back, once", () => {
  const { full, left, collections } = run(`${WORK} await pause(${5 * LOOK_EVERY_MS});
    collections = 0;
    await pause(${10 * LOOK_EVERY_MS});
    tell();`);
  expect(full.bytes).toBeGreaterThan(100e6);
  expect(left.bytes).toBeLessThan(0.4 * full.bytes);
  expect(left.youngBytes).toBeLessThan(0.5 * full.youngBytes);
  expect(collections).toBe(0);
});

test("what the C library holds in pieces is given back, too", () => {
  const { full, left } = run(`${SCATTERED_BUFFERS} free(); await pause(${10 * LOOK_EVERY_MS}); tell();`);
  expect(full.residentBytes - left.residentBytes).toBeGreaterThan(0.8 * SCATTERED_BYTES);
});

test("what was still needed at the last collection is given back once the work has ended", () => {
  const { full, left } = run(`${SCATTERED_BUFFERS}
    await pause(${5 * LOOK_EVERY_MS});
    free();
    await pause(${5 * LOOK_EVERY_MS});
    full.residentBytes = process.memoryUsage.rss();
    heap.workEnded();
    await pause(${5 * LOOK_EVERY_MS});
    tell();`);
  expect(full.residentBytes - left.residentBytes).toBeGreaterThan(0.8 * SCATTERED_BYTES);
});

test("nothing is asked of V8 while the program works, even a little", () => {
  const { full, left } = run(`${WORK}
    for (let turns = 0; turns < 100; turns++) {
      const start = performance.now();
      while (performance.now() - start < 5);
      await pause(15);
    }
    tell();`);
  expect(left.youngBytes).toBe(full.youngBytes);
});

test("it ends with the program", () => {
  expect(run(`console.log("{}");`)).toEqual({});
});

interface Heap {
  readonly bytes: number;
  readonly youngBytes: number;
  readonly residentBytes: number;
}

interface Told {
  readonly full: Heap;
  readonly left: Heap;
  /** In the end. */
  readonly collections: number;
}

function run(script: string): Told {
  const whole = `import { letGoWhenResting } from ${JSON.stringify(MODULE)}; const heap = letGoWhenResting(${LOOK_EVERY_MS}); ${script}`;
  const options = { encoding: "utf8", timeout: 60_000 } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", whole], options);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return JSON.parse(stdout) as Told;
}

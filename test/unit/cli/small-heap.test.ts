import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const MODULE = new URL("../../../src/cli/small-heap.ts", import.meta.url).href;
/** V8's own limits where memory is plenty, wherever this runs. */
const PLENTY = ["--max-semi-space-size=64", "--max-old-space-size=4096"];
/** Makes objects of which most live for a while, so that a heap grows as far as it may; `young` and `all` are the peaks, bytes. */
const WORK = `
  const { setImmediate: turn } = await import("node:timers/promises");
  const { getHeapSpaceStatistics, getHeapStatistics } = await import("node:v8");
  async function peaks() {
    let [young, all, kept] = [0, 0, []];
    for (let made = 0; made < 10_000_000; made += 20_000) {
      if (kept.length > 300_000) kept = [];
      for (let index = 0; index < 20_000; index++) kept.push({ made, text: "x" + index });
      young = Math.max(young, getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size);
      all = Math.max(all, getHeapStatistics().total_physical_size);
      await turn();
    }
    return { young, all };
  }
`;
const MIB = 1024 * 1024;

interface Peaks {
  readonly young: number;
  readonly all: number;
}

test("a held heap keeps its young generation small and gathers less garbage", () => {
  const [free, held] = ["", "keepHeapSmall();"].map((first) =>
    run<Peaks>(`${first} ${WORK} console.log(JSON.stringify(await peaks()));`),
  ) as [Peaks, Peaks];
  expect(free.young).toBeGreaterThan(100 * MIB);
  expect(held.young).toBeLessThanOrEqual(64 * MIB);
  expect(held.all).toBeLessThan(0.7 * free.all);
});

test("a thread that starts while the heap is held has room from its start: doubling is switched off for it, too", () => {
  const thread = `(async () => {
    const { getHeapSpaceStatistics } = await import("node:v8");
    const { space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
    (await import("node:worker_threads")).parentPort.postMessage(space_size);
  })()`;
  const youngBytes = run<number>(`${WORK} keepHeapSmall(); await peaks();
    const { Worker } = await import("node:worker_threads");
    const worker = new Worker(${JSON.stringify(thread)}, { eval: true, resourceLimits: { maxYoungGenerationSizeMb: 16 } });
    worker.on("message", (found) => console.log(found));`);
  expect(youngBytes).toBeGreaterThanOrEqual(8 * MIB);
});

test("it ends with the program", () => {
  expect(run(`keepHeapSmall(); console.log("0");`)).toBe(0);
});

function run<Told>(script: string): Told {
  const whole = `import { keepHeapSmall } from ${JSON.stringify(MODULE)}; ${script}`;
  const options = { encoding: "utf8", timeout: 60_000 } as const;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...PLENTY, "--input-type=module", "-e", whole],
    options,
  );
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return JSON.parse(stdout) as Told;
}

import { expect, test } from "vitest";
import { VirtualClock } from "../../src/sim/virtual-clock.ts";

test("timers fire in order of time, and in order of scheduling at the same time", async () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  for (const [name, ms] of [
    ["c", 30],
    ["a", 10],
    ["b", 10],
    ["d", 31],
  ] as const)
    clock.schedule(ms, () => fired.push(name));
  await clock.pass(0.03);
  expect(fired).toEqual(["a", "b", "c"]);
  expect(clock.passedSeconds).toBeCloseTo(0.03);
});

test("a cancelled timer never fires", async () => {
  const clock = new VirtualClock();
  let count = 0;
  const cancel = clock.schedule(5, () => count++);
  clock.schedule(4, cancel);
  await clock.pass(1);
  expect(count).toBe(0);
});

test("time stands still while promises wait for their turn", async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      clock.schedule(ms, () => {
        clock.owe();
        resolve();
      });
    });
  const work = async (): Promise<void> => {
    await wait(10);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    seen.push(clock.passedSeconds);
    await wait(10);
    seen.push(clock.passedSeconds);
  };
  const done = work();
  for (let ms = 1; ms < 30; ms++) clock.schedule(ms + 0.5, () => undefined);
  await clock.run(done, 1);
  expect(seen).toEqual([0.01, 0.02]);
});

test("a run that does not end in time says so", async () => {
  const clock = new VirtualClock();
  await expect(clock.run(new Promise(() => undefined), 5)).rejects.toThrow("5 virtual seconds");
});

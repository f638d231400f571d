import { expect, test } from "vitest";
import { LimitedRuns } from "../../../src/edge/limited-runs.ts";

test("no more than two run at once, all in order, and one that fails holds up nobody", async () => {
  const runs = new LimitedRuns(2);
  const started: number[] = [];
  const ends: (() => void)[] = [];
  let running = 0;
  let most = 0;
  const results = Promise.allSettled(
    Array.from({ length: 5 }, (_, index) =>
      runs.run(async () => {
        started.push(index);
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => ends.push(resolve));
        running--;
        if (index === 1) throw new Error("failed");
        return index;
      }),
    ),
  );
  for (let turn = 0; turn < 5; turn++) {
    await expect.poll(() => ends.length).toBeGreaterThan(0);
    ends.shift()!();
  }
  const settled = await results;
  expect(settled.map(({ status }) => status)).toEqual(
    [0, 1, 2, 3, 4].map((index) => (index === 1 ? "rejected" : "fulfilled")),
  );
  expect([started, most]).toEqual([[0, 1, 2, 3, 4], 2]);
  expect(await runs.run(() => Promise.resolve("later"))).toBe("later");
});

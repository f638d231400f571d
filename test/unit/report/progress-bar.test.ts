import fc from "fast-check";
import { expect, test } from "vitest";
import { describeProgress } from "../../../src/report/progress-bar.ts";
import { TransferRate } from "../../../src/report/transfer-rate.ts";

const HALF = { doneBytes: 5e8, totalBytes: 1e9, bytesPerSecond: 1e6 };

test("a line has bar, share, bytes, rate and the time left as rsync writes it", () => {
  expect(describeProgress("download", HALF, 120)).toBe(
    "download [####################--------------------]  50 %  500.0 MB of 1.0 GB  1.0 MB/s  0:08:20 left",
  );
});

test("the bar gives way to the figures", () => {
  expect(describeProgress("download", HALF, 65)).toBe("download  50 %  500.0 MB of 1.0 GB  1.0 MB/s  0:08:20 left");
});

test("no time is promised while nothing comes, and none is left at the end", () => {
  expect(describeProgress("download", { ...HALF, bytesPerSecond: 0 }, 100)).toContain("-:--:-- left");
  expect(describeProgress("download", { ...HALF, doneBytes: 1e9, bytesPerSecond: 0 }, 100)).toContain("0:00:00 left");
  expect(describeProgress("download", { doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 }, 100)).toContain("100 %");
});

test("whatever the figures, a line fits the terminal", () => {
  const bytes = fc.integer({ min: 0, max: 2 ** 50 });
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 300 }), (doneBytes, totalBytes, rate, columns) => {
      const text = describeProgress("download", { doneBytes, totalBytes, bytesPerSecond: rate }, columns);
      expect(text.length).toBeLessThan(Math.max(1, columns) + (columns === 1 ? 1 : 0));
    }),
  );
});

test("a rate is that of the last ten seconds", () => {
  const rate = new TransferRate();
  expect(rate.bytesPerSecond(0, 0)).toBe(0);
  for (let second = 0; second <= 60; second++) rate.note(second * 1_000, second < 30 ? 0 : (second - 30) * 1_000);
  expect(rate.bytesPerSecond(60_000, 30_000)).toBe(1_000);
});

test("what came before an interruption is no rate", () => {
  const rate = new TransferRate();
  rate.note(0, 5e9);
  expect(rate.bytesPerSecond(1_000, 5e9 + 1_000)).toBe(1_000);
});

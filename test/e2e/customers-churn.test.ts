import { expect, test } from "vitest";
import { ChurnScene } from "../support/churn-scene.ts";

/** `bench/churn` asks 50,000 times. */
test("mirrors come, go and stay behind: no customer gets a 404 or wrong bytes, most bytes come from mirrors", async () => {
  await using scene = await ChurnScene.start({
    seed: 20_261_122,
    requests: 600,
    concurrency: 8,
    files: 60,
    killEvery: 120,
    publishEvery: 250,
  });
  const report = await scene.run();
  expect(report).toMatchObject({ notFound: 0, wrongBytes: 0, otherStatus: 0, cutOutOfTime: 0, cutTwice: 0 });
  expect(report.complaints).toEqual([]);
  expect(report.files).toBe(600);
  expect(report.byNameBytes).toBeGreaterThan(0);
  expect(report.kills).toBeGreaterThanOrEqual(2);
  expect(report.volunteerBytes / report.bytes).toBeGreaterThanOrEqual(0.9);
}, 300_000);

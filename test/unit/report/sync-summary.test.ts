import { expect, test } from "vitest";
import { describeSync, type SyncSummary } from "../../../src/report/sync-summary.ts";

const SUMMARY: SyncSummary = {
  release: 7,
  previous: 6,
  files: { total: 10, kept: 4, copied: 3, delta: 2, fetched: 1, removed: 5 },
  bytes: {
    total: 12_000_000,
    reused: 11_000_000,
    received: 1_100_000,
    fromPeers: 900_000,
    fromOrigin: 150_000,
    metadata: 50_000,
    uploaded: 42,
  },
  seconds: 1.94,
};

test("the summary in words tells each figure once", () => {
  expect(describeSync(SUMMARY).split("\n")).toEqual([
    "release 6 → 7 in 1.9 s: 10 files, 12.0 MB",
    "  files: 4 kept, 3 copied, 2 by delta, 1 fetched, 5 removed",
    "  bytes: 11.0 MB reused, 900.0 kB from peers, 150.0 kB from the origin, 50.0 kB metadata, 42 B given to others",
  ]);
});

test("a sync with nothing new names one release", () => {
  expect(describeSync({ ...SUMMARY, previous: 7 })).toMatch(/^release 7 in/);
});

import { expect, test } from "vitest";
import { describeOriginShare, formatTransferTable, type TransferRow } from "../../../src/cli/demo/transfer-table.ts";

const ROW: TransferRow = {
  mirror: "bio",
  release: 12,
  seconds: 3.14,
  files: { kept: 1, copied: 2, delta: 3, fetched: 4, removed: 5 },
  bytes: { total: 9_000, reused: 6_000, fromPeers: 2_000_000, fromOrigin: 900, metadata: 100 },
};

test("a row has its figures under the headings, in columns of one width", () => {
  const [headings, line, row] = formatTransferTable([ROW]);
  expect(row!.trim().split(/\s{2,}/)).toEqual([
    "12",
    "bio",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6.0 kB",
    "2.0 MB",
    "900 B",
    "100 B",
    "3.1",
  ]);
  expect(headings!.trim().split(/\s{2,}/)).toHaveLength(12);
  expect([line!.length, row!.length]).toEqual([headings!.length, headings!.length]);
});

test("the share of the origin counts metadata and all mirrors", () => {
  expect(describeOriginShare([ROW, ROW], 1_000)).toBe(
    "release 12: 1.0 kB of new contents for 2 mirrors; central sent 2.0 kB in all (2.00 copies), mirrors gave each other 4.0 MB",
  );
});

import { expect, test } from "vitest";
import {
  escapedName,
  itemizedLine,
  type ItemizedChange,
  type ItemizedState,
} from "../../../src/report/itemized-change.ts";
import { describeStats } from "../../../src/report/sync-stats.ts";
import { describeSync, type SyncSummary } from "../../../src/report/sync-summary.ts";

const ABSENT: ItemizedState = { kind: "absent" };
const FILE: ItemizedState = { kind: "file", size: 10, mode: 0o644, mtimeNs: 1_000_000_000n, uid: 0, gid: 0 };
const SUMMARY: SyncSummary = {
  release: 2,
  previous: 1,
  files: { total: 3, kept: 1, copied: 0, delta: 1, fetched: 1, removed: 1 },
  bytes: { total: 2_000, reused: 500, received: 1_700, fromPeers: 1_000, fromOrigin: 500, metadata: 200, uploaded: 0 },
  seconds: 2,
};

function line(change: Partial<ItemizedChange>, checksum = false): string {
  return itemizedLine({ path: "a", action: "update", before: ABSENT, after: FILE, ...change }, { checksum });
}

test("lines are those of rsync", () => {
  expect(line({})).toBe(">f+++++++++ a");
  expect(line({ before: { ...FILE, size: 9, mtimeNs: 0n } })).toBe(">f.st...... a");
  expect(line({ before: FILE }, true)).toBe(">fc........ a");
  expect(line({ before: FILE })).toBe(">f......... a");
  expect(line({ action: "attributes", before: { ...FILE, mode: 0o600 } })).toBe(".f...p..... a");
  expect(line({ action: "attributes", before: { ...FILE, uid: 7, gid: 8 } })).toBe(".f....og... a");
  expect(line({ action: "link", linkTo: "b" })).toBe("hf+++++++++ a => b");
  expect(line({ action: "link", linkTo: "b", before: FILE })).toBe("hf          a => b");
  expect(line({ action: "remove", before: { kind: "directory" }, after: ABSENT })).toBe("*deleting   a/");
  expect(line({ after: { kind: "directory", mode: 0o755, mtimeNs: 0n } })).toBe("cd+++++++++ a/");
  expect(line({ after: { kind: "symlink", target: "to", mtimeNs: 0n } })).toBe("cL+++++++++ a -> to");
  const symlink: ItemizedState = { kind: "symlink", target: "from", mtimeNs: 0n };
  expect(line({ before: symlink, after: { ...symlink, target: "to" } })).toBe("cLc........ a -> to");
});

test("a time that Node can't set to the nanosecond is no change", () => {
  expect(line({ before: { ...FILE, mtimeNs: 1_000_000_900n } })).toBe(">f......... a");
  expect(line({ before: { ...FILE, mtimeNs: 1_000_001_100n } })).toBe(">f..t...... a");
});

test("an owner that is not taken over is no change", () => {
  const { uid: _uid, gid: _gid, ...after } = FILE;
  expect(line({ action: "attributes", before: { ...FILE, uid: 7, mode: 0o600 }, after })).toBe(".f...p..... a");
});

test("names can't break a line or act on a terminal", () => {
  expect(escapedName("line\nbreak\x1b[31m\x7f")).toBe("line\\#012break\\#033[31m\\#177");
  expect(escapedName("back\\#012")).toBe("back\\#134#012");
  expect(escapedName(Buffer.from("naïve").toString("latin1"))).toBe("naïve");
  expect(escapedName("not\xff")).toBe("not\\#377");
});

test("--stats counts what was created, deleted and transferred", () => {
  const changes: ItemizedChange[] = [
    { path: "new", action: "update", before: ABSENT, after: { ...FILE, size: 1_500 } },
    { path: "changed", action: "update", before: FILE, after: { ...FILE, size: 500 } },
    { path: "dir", action: "update", before: ABSENT, after: { kind: "directory", mode: 0o755, mtimeNs: 0n } },
    { path: "old", action: "remove", before: FILE, after: ABSENT },
  ];
  const entries = { files: 3, directories: 2, symlinks: 1 };
  const text = describeStats({ summary: SUMMARY, entries, totalBytes: 2_002, changes, literalBytes: 1_500 });
  expect(text.split("\n")).toEqual([
    "Number of files: 6 (reg: 3, dir: 2, link: 1)",
    "Number of created files: 2 (reg: 1, dir: 1)",
    "Number of deleted files: 1 (reg: 1)",
    "Number of regular files transferred: 2",
    "Total file size: 2,002 bytes",
    "Total transferred file size: 2,000 bytes",
    "Literal data: 1,500 bytes",
    "Matched data: 500 bytes",
    "File list size: 200",
    "Total bytes sent: 0",
    "Total bytes received: 1,700",
    "",
    "sent 0 bytes  received 1,700 bytes  850.00 bytes/sec",
    "total size is 2,002  speedup is 1.18",
  ]);
});

test("a dry run speaks of what would be", () => {
  expect(describeSync({ ...SUMMARY, dryRun: true })).toContain("nothing was changed");
  expect(describeSync({ ...SUMMARY, dryRun: true, seconds: 0 })).toContain("time unknown");
});

import { expect, test } from "vitest";
import { parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { StrayFiles } from "../../../src/edge/stray-files.ts";
import type { FileEntry } from "../../../src/manifest/entry.ts";

const MTIME_NS = 1_767_225_600_123_456_789n;

function wanted(path: string, size = 5000, mtimeNs = MTIME_NS): FileEntry {
  const content = parseContentId("a".repeat(64));
  return { kind: "file", path: repoPathFromText(path), size, mtimeNs, mode: 0o644, content };
}

function strays(...paths: readonly string[]): StrayFiles {
  const files = new StrayFiles();
  for (const path of paths) files.add(repoPathFromText(path), { size: 5000, mtimeNs: MTIME_NS });
  return files;
}

test("a file is found by its size and mtime under any name, by its own name first", () => {
  expect(strays("elsewhere/renamed").find(wanted("d/f"))).toBe("elsewhere/renamed");
  expect(strays("elsewhere/other", "elsewhere/f").find(wanted("d/f"))).toBe("elsewhere/f");
});

test("another size or mtime is another file, and a tiny one is not worth reading", () => {
  expect(strays("f").find(wanted("d/f", 5001))).toBeUndefined();
  expect(strays("f").find(wanted("d/f", 5000, MTIME_NS + 2_000_000_000n))).toBeUndefined();
  const files = new StrayFiles();
  files.add(repoPathFromText("tiny"), { size: 100, mtimeNs: MTIME_NS });
  expect(files.find(wanted("tiny", 100))).toBeUndefined();
});

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import type { TreeFile } from "../../../src/analyze/tree-report.ts";
import { readTreeFiles } from "../../../src/cli/tree-files.ts";
import { seededRandom } from "../../../src/core/clock.ts";

test("a signal is heeded in the middle of a large file", async () => {
  const tree = temporary();
  writeFileSync(join(tree, "a"), "");
  writeFileSync(join(tree, "large"), "");
  truncateSync(join(tree, "large"), 2 ** 31);
  const abort = new AbortController();
  const files = readTreeFiles(tree, abort.signal);
  expect(await files.next()).toMatchObject({ value: { path: "a" } });
  setImmediate(() => abort.abort(new Error("got SIGTERM")));
  await expect(files.next()).rejects.toThrow("got SIGTERM");
});

test("what is packed is looked into where it is whole, members and all", async () => {
  const tree = temporary();
  const random = seededRandom(3);
  const text = Buffer.from(Array.from({ length: 400_000 }, () => 97 + Math.floor(16 * random())));
  const packed = gzipSync(text);
  writeFileSync(join(tree, "cut.gz"), packed.subarray(0, packed.length - 9));
  writeFileSync(join(tree, "followed.gz"), Buffer.concat([packed, Buffer.from("no member")]));
  writeFileSync(join(tree, "members.gz"), Buffer.concat([packed, packed]));
  writeFileSync(join(tree, "whole.gz"), packed);
  const files = await filesOf(tree, new AbortController().signal);
  expect(files.map(({ path, inner }) => [path, inner?.lengthBytes])).toEqual([
    ["cut.gz", undefined],
    ["followed.gz", undefined],
    ["members.gz", 2 * text.length],
    ["whole.gz", text.length],
  ]);
});

async function filesOf(tree: string, signal: AbortSignal): Promise<TreeFile[]> {
  const files = await Array.fromAsync(readTreeFiles(tree, signal));
  return files.filter((file): file is TreeFile => !("unreadable" in file));
}

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "prsync-tree-files-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

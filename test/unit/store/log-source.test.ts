import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { readLog, readLogStream, type LogSource } from "../../../src/store/log-source.ts";

const text = Array.from({ length: 50_000 }, (_, i) => `line ${(i * 7919) % 1_000_003}\n`).join("");
const half = Buffer.from(text.slice(0, 300_000));
const rest = Buffer.from(text.slice(300_000));
const checksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
/** RFC 8878, 3.1.2: magic, length, content. */
const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

test.each([
  ["plain", [half, rest]],
  ["gzip", [gzipSync(text)]],
  ["two members of gzip", [gzipSync(half), gzipSync(rest)]],
  ["zstd", [zstdCompressSync(text)]],
  [
    "two frames of zstd, with checksum and without, beside skippable ones",
    [skippable, zstdCompressSync(half, checksum), skippable, zstdCompressSync(rest)],
  ],
])("%s, in a file and through a pipe of few bytes", async (_, parts) => {
  const bytes = Buffer.concat(parts);
  const path = fileOf(bytes);
  expect(await textOf(readLog(path))).toEqual({ text, damage: undefined });
  expect(await textOf(readLogStream(inPieces(bytes, 997)))).toEqual({ text, damage: undefined });
  expect((await textOf(readLogStream(inPieces(bytes.subarray(0, 3), 1)))).text.length).toBeLessThan(4);
});

test.each([
  ["gzip", gzipSync(text)],
  ["zstd", zstdCompressSync(text)],
])("%s that is cut off gives what came before, and says so", async (_, whole) => {
  const cut = await textOf(readLog(fileOf(whole.subarray(0, whole.length - 20_000))));
  expect(cut.damage).toBe("unexpected end of file");
  expect(cut.text.length).toBeGreaterThan(100_000);
  expect(text.startsWith(cut.text)).toBe(true);
});

test("an empty file is an empty log, a missing one an error of the system", async () => {
  expect(await textOf(readLog(fileOf(Buffer.alloc(0))))).toEqual({ text: "", damage: undefined });
  await expect(textOf(readLog("/nowhere/access.log"))).rejects.toMatchObject({ code: "ENOENT" });
});

async function textOf(source: LogSource): Promise<{ text: string; damage: string | undefined }> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return { text: Buffer.concat(chunks).toString(), damage: source.damage() };
}

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

function fileOf(bytes: Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), "prsync-log-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "log");
  writeFileSync(path, bytes);
  return path;
}

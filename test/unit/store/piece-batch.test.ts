import { createHash, hash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isSharedPiece, packPieces, runPieces, unpackPieceOutcomes } from "../../../src/store/piece-batch.ts";
import { copyIntoShared, PieceMemory } from "../../../src/store/piece-memory.ts";
import { StagingTaskRunner, type StagingTask } from "../../../src/store/staging-task.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const PIECE = 65_536;
const COUNT = 20;
const BYTES = randomBytesOf(3, COUNT * PIECE);
const KEY = 5;

type PieceTask = Extract<StagingTask, { kind: "piece" }>;

function openFile(name: string, flags: string): { path: string; descriptor: number } {
  const path = join(temporaryDirectory(), name);
  fs.writeFileSync(path, "");
  const descriptor = fs.openSync(path, flags);
  onTestFinished(() => fs.closeSync(descriptor));
  return { path, descriptor };
}

/** All pieces of {@link BYTES} in memory of one bundle; those of `spoiled` with one byte changed. */
function pieces(descriptor: number, change: { spoiled?: readonly number[]; isSparse?: boolean } = {}): PieceTask[] {
  const memory = new PieceMemory(PIECE);
  return Array.from({ length: COUNT }, (_, index) => {
    const start = index * PIECE;
    const right = BYTES.subarray(start, start + PIECE);
    const bytes = memory.take(PIECE);
    copyIntoShared(bytes, 0, right);
    if (change.spoiled?.includes(index) === true) bytes[9]! ^= 1;
    const expected = { algorithm: "sha1", digest: hash("sha1", right, "hex"), paddedLength: PIECE } as const;
    const received = [{ offset: start, bytes }];
    const isSparse = change.isSparse ?? false;
    return { kind: "piece", descriptor, start, lengthBytes: PIECE, received, expected, isSparse, key: KEY };
  });
}

function run(tasks: readonly PieceTask[], runner: StagingTaskRunner = new StagingTaskRunner()): unknown[] {
  expect(tasks.every(isSharedPiece)).toBe(true);
  const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
  // As it travels between threads.
  const batch = structuredClone(packPieces(tasks));
  return unpackPieceOutcomes(runPieces(batch, runner, codeOf)).map((answer) =>
    "failure" in answer ? answer.failure : answer.result,
  );
}

test.each([{ isSparse: false }, { isSparse: true }])("right pieces are written, wrong ones are not (%o)", (how) => {
  const { path, descriptor } = openFile("part", "r+");
  fs.ftruncateSync(descriptor, BYTES.length);
  const spoiled = [0, 7, 8, 19];
  expect(run(pieces(descriptor, { spoiled, ...how }))).toEqual(
    Array.from({ length: COUNT }, (_, index) => !spoiled.includes(index)),
  );
  const expected = Buffer.from(BYTES);
  for (const index of spoiled) expected.fill(0, index * PIECE, (index + 1) * PIECE);
  expect(fs.readFileSync(path).equals(expected)).toBe(true);
});

test("pieces of several files, in any order, each get to their place", () => {
  const files = [openFile("a", "r+"), openFile("b", "r+")];
  const tasks = files.flatMap(({ descriptor }) => pieces(descriptor));
  const mixed = tasks.map((_, index) => tasks[(index * 7) % tasks.length]!);
  expect(new Set(run(mixed))).toEqual(new Set([true]));
  for (const { path } of files) expect(fs.readFileSync(path).equals(BYTES)).toBe(true);
});

test("the SHA-256 goes on with pieces that come next in it, as far as they are right", () => {
  const { descriptor } = openFile("part", "r+");
  const runner = new StagingTaskRunner();
  run(pieces(descriptor, { spoiled: [12] }), runner);
  const seen = createHash("sha256")
    .update(BYTES.subarray(0, 12 * PIECE))
    .digest("hex");
  expect(runner.run({ kind: "digest", key: KEY })).toBe(seen);
  run(pieces(descriptor).slice(12), runner);
  expect(runner.run({ kind: "digest", key: KEY })).toBe(hash("sha256", BYTES, "hex"));
});

test("where a write fails it is told for these pieces alone, and no SHA-256 counts them", () => {
  const broken = openFile("broken", "r");
  const runner = new StagingTaskRunner();
  const good = openFile("good", "r+");
  const others = pieces(good.descriptor).map((task) => ({ ...task, key: KEY + 1 }));
  expect(run([...pieces(broken.descriptor), ...others], runner)).toEqual([
    ...Array<string>(COUNT).fill("EBADF"),
    ...Array<boolean>(COUNT).fill(true),
  ]);
  expect(runner.run({ kind: "digest", key: KEY })).toBe(hash("sha256", "", "hex"));
  expect(runner.run({ kind: "digest", key: KEY + 1 })).toBe(hash("sha256", BYTES, "hex"));
  expect(fs.readFileSync(good.path).equals(BYTES)).toBe(true);
});

test("memory that was given back serves again, the rest stays as it is", () => {
  const memory = new PieceMemory(PIECE);
  const first = memory.take(100);
  const others = Array.from({ length: 200 }, () => memory.take(PIECE).fill(1));
  copyIntoShared(first, 3, BYTES.subarray(50, 60));
  expect(Buffer.from(first.slice(3, 13)).equals(BYTES.subarray(50, 60))).toBe(true);
  memory.giveBack(first);
  const again = memory.take(PIECE).fill(2);
  expect([again.buffer === first.buffer, again.byteOffset]).toEqual([true, first.byteOffset]);
  expect(others.every((piece) => piece.every((byte) => byte === 1))).toBe(true);
});

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { parseContentId, type ContentId } from "../../../src/core/content-id.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { UnpackedContents, type UnpackLimits } from "../../../src/store/unpacked-contents.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const MIB = 2 ** 20;
const A = parseContentId("aa".repeat(32));
const B = parseContentId("bb".repeat(32));
const C = parseContentId("cc".repeat(32));
const D = parseContentId("dd".repeat(32));

/** Contents by the id of what they unpack to; `gate` holds every read of them back. */
function unpacking(
  inners: ReadonlyMap<ContentId, Buffer>,
  context: {
    readonly gate?: Promise<void>;
    readonly limits?: Partial<UnpackLimits>;
    readonly damage?: (file: Buffer) => Buffer;
  } = {},
) {
  const { damage = (file: Buffer) => file, gate = Promise.resolve(), limits } = context;
  const directory = temporaryDirectory();
  const opened: ContentId[] = [];
  const contents = new UnpackedContents({
    directory,
    find: (inner) => (inners.has(inner) ? { content: inner, innerLengthBytes: inners.get(inner)!.length } : undefined),
    open: async (content) => {
      opened.push(content);
      const file = damage(gzipSync(inners.get(content)!));
      const read = async (offset: number, length: number): Promise<Uint8Array> => {
        await gate;
        return file.subarray(offset, offset + length);
      };
      return { lengthBytes: file.length, read, [Symbol.asyncDispose]: async () => undefined };
    },
    limits: { maxBytes: 64 * MIB, maxInflations: 2, idleMs: 60_000, quietMs: 60_000, ...limits },
  });
  return { contents, directory, opened };
}

test("any range of what a gzip file holds is given, unpacked once, and nothing is left on disk", async () => {
  const inner = randomBytes(3 * MIB);
  const { contents, directory, opened } = unpacking(new Map([[A, inner]]));
  await using _contents = contents;
  const ranges = [
    [0, 100],
    [2 * MIB, 1000],
    [3 * MIB - 10, 100],
    [1000, 16_384],
  ] as const;
  const read = await Promise.all(ranges.map(([start, length]) => contents.read(A, start, length)));
  ranges.forEach(([start, length], i) => expect(inner.subarray(start, start + length).equals(read[i]!)).toBe(true));
  expect(opened).toEqual([A]);
  expect(readdirSync(directory)).toEqual([]);
  expect(await contents.read(B, 0, 1)).toBeUndefined();
  expect(contents.lengthOf(A)).toBe(3 * MIB);
});

test("a third inflation at once is rejected, and possible later", async () => {
  const open = Promise.withResolvers<void>();
  const inners = new Map([A, B, C].map((id) => [id, randomBytes(1000)]));
  const { contents } = unpacking(inners, { gate: open.promise });
  await using _contents = contents;
  const first = [contents.read(A, 0, 10), contents.read(B, 0, 10), contents.read(A, 20, 10)];
  await expect(contents.read(C, 0, 10)).rejects.toMatchObject({ code: "unpack-busy" });
  open.resolve();
  await Promise.all(first);
  expect(await contents.read(C, 0, 10)).toHaveLength(10);
});

test("beyond its room the one least recently used goes; what alone is too long is rejected", async () => {
  const inners = new Map([
    [A, randomBytes(MIB)],
    [B, randomBytes(MIB)],
    [C, randomBytes(MIB)],
    [D, randomBytes(3 * MIB)],
  ]);
  const { contents, opened } = unpacking(inners, { limits: { maxBytes: 2 * MIB, quietMs: 0 } });
  await using _contents = contents;
  // The last byte: it is unpacked whole then.
  for (const id of [A, B, A]) await contents.read(id, MIB - 1, 1);
  await expect(contents.read(D, 0, 1)).rejects.toBeInstanceOf(StoreError);
  for (const id of [C, A, B]) await contents.read(id, MIB - 1, 1);
  expect(opened).toEqual([A, B, C, B]);
});

test("what is being read gives way to nothing before it gave its length", async () => {
  const inners = new Map([A, B, C].map((id) => [id, randomBytes(MIB)]));
  const { contents, opened } = unpacking(inners, { limits: { maxBytes: 2 * MIB } });
  await using _contents = contents;
  const step = MIB / 16;
  for (let at = 0; at < MIB; at += step) {
    await contents.read(A, at, step - 1);
    await contents.read(B, at, step);
    if (at + step < MIB) await expect(contents.read(C, at, step)).rejects.toMatchObject({ code: "unpack-busy" });
  }
  expect(await contents.read(C, 0, step)).toHaveLength(step);
  expect(await contents.read(A, 0, step)).toHaveLength(step);
  expect(opened).toEqual([A, B, C]);
});

test.skipIf(process.getuid!() !== 0)("nothing is unpacked onto a disk that has no room for it", async ({ skip }) => {
  const { contents, directory } = unpacking(new Map([[A, randomBytes(MIB)]]));
  await using _contents = contents;
  const isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1000000", "none", directory]).status === 0;
  if (!isMounted) return skip("no mounts here");
  onTestFinished(() => void spawnSync("umount", ["-l", directory]));
  await expect(contents.read(A, 0, 10)).rejects.toMatchObject({ code: "unpack-busy" });
});

test("what nobody reads is dropped after a while", async () => {
  const { contents, opened } = unpacking(new Map([[A, randomBytes(1000)]]), { limits: { idleMs: 10 } });
  await using _contents = contents;
  await contents.read(A, 0, 1);
  await sleep(100);
  await contents.read(A, 0, 1);
  expect(opened).toEqual([A, A]);
});

test("a file that is damaged or gone fails those who wait, and is tried again", async () => {
  const inner = randomBytes(MIB);
  const { contents, opened } = unpacking(new Map([[A, inner]]), { damage: (file) => file.subarray(0, -100_000) });
  await using _contents = contents;
  await expect(contents.read(A, MIB - 10, 10)).rejects.toMatchObject({ code: "bad-gzip" });
  await expect(contents.read(A, MIB - 10, 10)).rejects.toMatchObject({ code: "bad-gzip" });
  expect(opened).toEqual([A, A]);
});

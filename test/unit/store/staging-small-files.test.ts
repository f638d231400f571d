import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { contentIdOf, type ContentId } from "../../../src/core/content-id.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { StagingArea } from "../../../src/store/staging.ts";
import { workerThreadCount } from "../../support/threads.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const FILE_BYTES = 10_000;
const MTIME_NS = 1_767_225_600_123_456_000n;
/** Twice what is done on the spot, so that threads get their share in batches. */
const COUNT = 900;

interface Received {
  readonly content: ContentId;
  readonly bytes: Uint8Array;
  readonly outcome: Promise<boolean>;
}

/** Receives contents of 10 kB, all at once; those that `spoils` says with one byte changed. */
function receiveMany(staging: StagingArea, spoils: (index: number) => boolean): Received[] {
  return Array.from({ length: COUNT }, (_, index) => {
    const bytes = Buffer.alloc(FILE_BYTES, `content ${index} `);
    const content = contentIdOf(createHash("sha256").update(bytes).digest());
    if (spoils(index)) bytes[index] = 0;
    const attributes = { mode: 0o640 + (index % 3), mtimeNs: MTIME_NS };
    const expected = { algorithm: "sha256", digest: content, paddedLength: FILE_BYTES } as const;
    const piece = { start: 0, lengthBytes: FILE_BYTES, received: [{ offset: 0, bytes }], expected };
    return { content, bytes, outcome: staging.stage(content, FILE_BYTES, attributes).takePiece(piece) };
  });
}

function openArea(options: { readonly isSparse?: boolean } = {}): { area: string; staging: StagingArea } {
  const root = temporaryDirectory();
  const destination = ConfinedDirectory.open(root);
  const staging = StagingArea.open(destination, options);
  onTestFinished(() => {
    staging[Symbol.dispose]();
    destination[Symbol.dispose]();
  });
  return { area: join(root, ".prsync/staging"), staging };
}

test.each([{ isSparse: false }, { isSparse: true }])(
  "many small contents at once: right ones are whole with mode and time, wrong ones are not there ($isSparse)",
  async (options) => {
    const { area, staging } = openArea(options);
    const received = receiveMany(staging, (index) => index % 7 === 3);
    const outcomes = await Promise.all(received.map(({ outcome }) => outcome));
    expect(outcomes).toEqual(received.map((_, index) => index % 7 !== 3));
    const right = received.filter((_, index) => outcomes[index]);
    expect(new Set(fs.readdirSync(area))).toEqual(new Set(right.map(({ content }) => `${content}.part`)));
    for (const { content, bytes } of right) {
      const path = join(area, `${content}.part`);
      expect(fs.readFileSync(path).equals(bytes)).toBe(true);
      expect(fs.statSync(path, { bigint: true }).mtimeNs / 1_000n).toBe(MTIME_NS / 1_000n);
    }
    const modes = right.map(({ content }) => fs.statSync(join(area, `${content}.part`)).mode & 0o7777);
    expect(modes).toEqual(received.map((_, index) => 0o640 + (index % 3)).filter((_, index) => outcomes[index]));
  },
);

test("one that can't be written fails with its own error, all others are there", async () => {
  const { area, staging } = openArea();
  const received = receiveMany(staging, () => false);
  // The first 419 are done on the spot, the others a turn later.
  const blocked = received.at(-10)!;
  fs.mkdirSync(join(area, `${blocked.content}.part`));
  const outcomes = await Promise.allSettled(received.map(({ outcome }) => outcome));
  expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(1);
  expect(outcomes.at(-10)).toMatchObject({ status: "rejected", reason: { code: "EISDIR" } });
  expect(fs.readdirSync(area)).toHaveLength(COUNT);
});

test.each([{ isBusy: false }, { isBusy: true }])(
  "an area that rests has no threads once they are done; more work begins anew ($isBusy)",
  async ({ isBusy }) => {
    const { area, staging } = openArea();
    const before = workerThreadCount();
    for (let round = 0; round < 2; round++) {
      const received = receiveMany(staging, () => false);
      await vi.waitFor(() => expect(workerThreadCount()).toBeGreaterThan(before));
      if (isBusy) staging.rest();
      expect(await Promise.all(received.map(({ outcome }) => outcome))).toEqual(received.map(() => true));
      if (!isBusy) staging.rest();
      await vi.waitFor(() => expect(workerThreadCount()).toBe(before));
      expect(fs.readdirSync(area)).toHaveLength(COUNT);
      staging.discardAll();
    }
  },
);

test("a rest does not take the thread of a content that is on its way", async () => {
  const { staging } = openArea();
  const [pieceBytes, pieceCount] = [1024 * 1024, 8];
  const whole = Buffer.from(Array.from({ length: pieceBytes * pieceCount }, (_, index) => (index * 7919) >> 8));
  const content = contentIdOf(createHash("sha256").update(whole).digest());
  const staged = staging.stage(content, whole.length);
  for (let start = 0; start < whole.length; start += pieceBytes) {
    const bytes = Uint8Array.from(whole.subarray(start, start + pieceBytes));
    const expected = { algorithm: "sha1", digest: createHash("sha1").update(bytes).digest("hex") } as const;
    const piece = { start, lengthBytes: pieceBytes, received: [{ offset: 0, bytes }], expected };
    const outcome = staged.takePiece({ ...piece, expected: { ...expected, paddedLength: pieceBytes } });
    staging.rest();
    expect(await outcome).toBe(true);
    staging.rest();
  }
  expect(await staged.prefixDigest()).toBe(content);
});

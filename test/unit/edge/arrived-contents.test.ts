import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { ArrivedContents } from "../../../src/edge/arrived-contents.ts";
import { StagedTransfer } from "../../../src/edge/staged-transfer.ts";
import type { ContentId } from "../../../src/core/content-id.ts";
import { contentOf, MirrorDisk, pathOf } from "./mirror-disk.ts";

interface Arriving {
  readonly disk: MirrorDisk;
  readonly arrived: ArrivedContents;
  readonly transfers: ReadonlyMap<ContentId, StagedTransfer>;
}

/** A sync that has got `whole` of the contents of bundle 7. */
async function arriving(texts: readonly string[], whole: readonly string[]): Promise<Arriving> {
  const disk = new MirrorDisk();
  const transfers = new Map<ContentId, StagedTransfer>();
  const group = texts.map((text, ordinal) => {
    const transfer = new StagedTransfer(contentOf(text), disk.staging.stage(contentOf(text), text.length));
    transfers.set(transfer.content, transfer);
    return { transfer, place: { bundle: 7, ordinal, lengthBytes: text.length } };
  });
  for (const text of whole) expect(await take(transfers.get(contentOf(text))!, text)).toBe(true);
  const arrived = new ArrivedContents();
  arrived.follow({ bundles: new Map([[7, group]]), transfers });
  return { disk, arrived, transfers };
}

async function take(transfer: StagedTransfer, text: string): Promise<boolean> {
  const bytes = new Uint8Array(Buffer.from(text));
  const expected = { algorithm: "sha256", digest: hash("sha256", text, "hex"), paddedLength: bytes.length } as const;
  return await transfer.takePiece({ start: 0, lengthBytes: bytes.length, received: [{ offset: 0, bytes }], expected });
}

test("only what is whole is told and given, and nothing once the sync is over", async () => {
  const { arrived } = await arriving(["a", "bb", "ccc"], ["a", "ccc"]);
  expect(arrived.ordinals()).toEqual(new Map([[7, [0, 2]]]));
  expect([arrived.lengthOf(contentOf("ccc")), arrived.lengthOf(contentOf("bb"))]).toEqual([3, undefined]);
  expect(Buffer.from((await arrived.read(contentOf("ccc"), 1, 2))!).toString()).toBe("cc");
  expect(await arrived.read(contentOf("bb"), 0, 1)).toBeUndefined();
  arrived.end();
  expect([arrived.ordinals().size, arrived.lengthOf(contentOf("a"))]).toEqual([0, undefined]);
  expect(await arrived.read(contentOf("a"), 0, 1)).toBeUndefined();
});

test("what was found wrong after all is taken back", async () => {
  const { arrived, transfers } = await arriving(["a"], ["a"]);
  transfers.get(contentOf("a"))!.discard(0, 1);
  expect([arrived.ordinals().size, arrived.lengthOf(contentOf("a"))]).toEqual([0, undefined]);
});

test("a reader that comes when the part was just placed has its record written, and finds the file", async () => {
  const { disk, arrived } = await arriving(["a"], ["a"]);
  let records = 0;
  using _placing = arrived.whilePlacing(() => void records++);
  expect(await arrived.read(contentOf("a"), 0, 1)).toBeDefined();
  const attributes = { mode: 0o644, mtimeNs: 1_000_000_000n, keepPart: false };
  await disk.staging.place(contentOf("a"), disk.destination, { ...attributes, path: pathOf("a") });
  expect([records, await arrived.read(contentOf("a"), 0, 1), records]).toEqual([0, undefined, 1]);
});

test("a part that is discarded under the feet of a reader is no longer given", async () => {
  const { disk, arrived } = await arriving(["a"], ["a"]);
  expect(await arrived.read(contentOf("a"), 0, 1)).toBeDefined();
  disk.staging.discard(contentOf("a"));
  expect(await arrived.read(contentOf("a"), 0, 1)).toBeUndefined();
});

import { expect, test } from "vitest";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { StagedTransfer } from "../../../src/edge/staged-transfer.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { contentOf, pathOf } from "./mirror-disk.ts";
import { MirrorFixture, sync } from "./mirror-fixture.ts";

/** A complete mirror of release 1, told and acknowledged, that mends its only content: the sync has it whole, DEST not yet. */
async function mending(): Promise<Mirror> {
  const central = new CentralFixture();
  central.write("a", "content");
  await central.publish();
  await central.serve();
  const mirror = await new MirrorFixture(central).open();
  await sync(mirror);
  (await mirror.holdings.next()).acknowledge(101, false);
  const [content, bytes] = [contentOf("content"), new Uint8Array(Buffer.from("content"))];
  const transfer = new StagedTransfer(content, mirror.staging.stage(content, bytes.length));
  const expected = { algorithm: "sha256", digest: content, paddedLength: bytes.length } as const;
  await transfer.takePiece({ start: 0, lengthBytes: bytes.length, received: [{ offset: 0, bytes }], expected });
  const place = { bundle: 1, ordinal: 0, lengthBytes: bytes.length };
  mirror.arrived.follow({ bundles: new Map([[1, [{ transfer, place }]]]), transfers: new Map([[content, transfer]]) });
  return mirror;
}

test("where customers meet this program's own HTTP, what arrives is told", async () => {
  const mirror = await mending();
  mirror.situation.isAskedByContent = true;
  expect((await mirror.holdings.next()).report).toEqual({ base: 101, bundles: [{ number: 1, have: "all" }] });
});

test("a sync --public-url tells nothing of what is not in DEST: a web server gives that by name", async () => {
  const mirror = await mending();
  Object.assign(mirror.situation, { customerUrl: "http://mirror.example.org", expectedMs: 86_400_000 });
  expect((await mirror.holdings.next()).report).toEqual({ base: 0, complete: 1 });
  const [path, record] = [pathOf("a"), mirror.index.files.get(pathOf("a"))!];
  mirror.index.files.put(path, { ...record, isVerified: false });
  mirror.holdings.isComplete = false;
  expect((await mirror.holdings.next()).report).toEqual({ base: 0, bundles: [] });
});

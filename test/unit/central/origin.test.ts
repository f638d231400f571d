import { createHash } from "node:crypto";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { OpenContents } from "../../../src/central/open-contents.ts";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { RangeSet } from "../../../src/core/byte-range.ts";
import { EMPTY_CONTENT, parseContentId, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { callControl } from "../../../src/net/control-client.ts";
import { PassAdmission } from "../../../src/net/pass-admission.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import { createSwarmNode, type SwarmNode } from "../../../src/net/swarm-node.ts";
import { DEFAULT_SWARM_LIMITS } from "../../../src/net/swarm-options.ts";
import type { SwarmBundle } from "../../../src/swarm/ports.ts";
import { CentralFixture, type TestVolunteer } from "../../support/central-fixture.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };

async function swarmNodeOf(fixture: CentralFixture, volunteer: TestVolunteer): Promise<SwarmNode> {
  const { pass } = (await volunteer.announce()).json;
  const node = await createSwarmNode({
    ownId: volunteer.id,
    admission: new PassAdmission({
      key: volunteer.key,
      repository: fixture.repository.repositoryId,
      clock: realClock,
      pass: () => pass,
      passKey: () => fixture.repository.passSigner.publicKey,
      isRevoked: () => false,
    }),
    isOrigin: false,
    allowsStockClients: () => false,
    host: "127.0.0.1",
    port: 0,
    clock: realClock,
    random: Math.random,
    log: silent,
    limits: DEFAULT_SWARM_LIMITS,
    patience: { noSourceMs: 2_000, noProgressMs: 5_000 },
    findBundle: async () => undefined,
    isRevoked: () => false,
  });
  onTestFinished(() => node[Symbol.asyncDispose]());
  return node;
}

test("an enrolled volunteer gets a bundle from the origin, a revoked one is cut off", async () => {
  const fixture = new CentralFixture();
  const contents = [randomBytesOf(1, 700_000), randomBytesOf(2, 5)];
  contents.forEach((bytes, index) => fixture.write(`file${index}`, bytes));
  await fixture.publish();
  const { peerPort } = await fixture.serve();
  const volunteer = await fixture.volunteer("a");
  const node = await swarmNodeOf(fixture, volunteer);
  const origin = (await volunteer.announce()).json.origin;
  node.setPeers([{ id: origin.id, host: "127.0.0.1", port: peerPort, isOrigin: true, mayHold: () => true }]);
  const { bundle, wanted, bytes } = await emptyCopy(fixture);
  await node.download(bundle, wanted);
  expect(bundle.held.isFull).toBe(true);
  const got = [...bytes.values()].map((content) => createHash("sha256").update(content).digest("hex")).sort();
  expect(got).toEqual(contents.map((content) => createHash("sha256").update(content).digest("hex")).sort());
  expect(fixture.program.status().swarm).toMatchObject({ connections: 1, counters: { uploadedBytes: 700_005 } });
  await callControl(join(fixture.stateDirectory, "control.sock"), { command: "revoke", argument: { name: "a" } });
  await expect.poll(() => fixture.program.status().swarm.connections).toBe(0);
  const again = await emptyCopy(fixture);
  node.dropBundle(bundle.infoHash);
  await expect(node.download(again.bundle, again.wanted)).rejects.toMatchObject({ code: "no-source" });
});

/** The first bundle as a mirror that holds nothing has it: bytes per content in memory. */
async function emptyCopy(fixture: CentralFixture): Promise<{
  readonly bundle: SwarmBundle;
  readonly wanted: ReadonlyMap<number, RangeSet>;
  readonly bytes: ReadonlyMap<number, Uint8Array>;
}> {
  const [infoHash] = fixture.tree.bundleNumbers().values();
  const { layout, number } = (await fixture.tree.bundle(infoHash!))!;
  const bytes = new Map(
    Array.from({ length: layout.contentCount }, (_, ordinal) => [
      ordinal,
      new Uint8Array(layout.content(ordinal).length),
    ]),
  );
  const pieces = Array.from({ length: layout.pieceCount }, (_, piece) => piece);
  const wanted = new Map(
    pieces.map((piece) => [piece, RangeSet.of({ start: 0, end: layout.dataLengthOfPiece(piece) })]),
  );
  const bundle: SwarmBundle = {
    number,
    infoHash: infoHash!,
    layout,
    held: new Bitfield(layout.pieceCount),
    storage: {
      readBlock: async () => undefined,
      writeBlock: async (piece, offset, block) => {
        const content = layout.contentOfPiece(piece);
        bytes.get(content.ordinal)!.set(block, (piece - content.firstPiece) * layout.pieceLength + offset);
      },
      completePiece: async () => "verified",
    },
    infoDictionary: async () => undefined,
  };
  return { bundle, wanted, bytes };
}

/** Contents of one byte each; notes what is open. */
class CountingTree {
  readonly open: ContentId[] = [];
  openings = 0;
  isBroken = false;

  async openContent(content: ContentId): Promise<{
    readonly lengthBytes: number;
    read(start: number, length: number): Promise<Uint8Array>;
    [Symbol.asyncDispose](): Promise<void>;
  }> {
    this.openings++;
    this.open.push(content);
    return {
      lengthBytes: 1,
      read: async (_start, length) => {
        if (this.isBroken) throw new Error("changed on disk");
        return new Uint8Array(length);
      },
      [Symbol.asyncDispose]: async () => void this.open.splice(this.open.indexOf(content), 1),
    };
  }
}

const idOf = (index: number): ContentId => parseContentId(index.toString(16).padStart(64, "0"));
const range = { start: 0, end: 1 };

test("contents stay open between reads, the least recently used is closed", async () => {
  const tree = new CountingTree();
  const contents = new OpenContents(tree, 2);
  for (const index of [1, 2, 1, 3, 1]) expect(await contents.read(idOf(index), range)).toHaveLength(1);
  expect(tree.openings).toBe(3);
  await expect.poll(() => [...tree.open].sort()).toEqual([idOf(1), idOf(3)]);
  await contents[Symbol.asyncDispose]();
  expect(tree.open).toEqual([]);
});

test("many reads at once leave nothing open that should not be", async () => {
  const tree = new CountingTree();
  const contents = new OpenContents(tree, 3);
  const reads = Array.from({ length: 500 }, (_, index) => contents.read(idOf((index * 7) % 20), range));
  expect((await Promise.all(reads)).every((bytes) => bytes?.length === 1)).toBe(true);
  await expect.poll(() => tree.open.length).toBe(3);
  await contents[Symbol.asyncDispose]();
  expect(tree.open).toEqual([]);
});

test("a content that nobody reads any more is closed at the second look", async () => {
  const tree = new CountingTree();
  const contents = new OpenContents(tree);
  for (const index of [1, 2]) await contents.read(idOf(index), range);
  await contents.closeIdle();
  expect(tree.open).toEqual([idOf(1), idOf(2)]);
  await contents.read(idOf(2), range);
  await contents.closeIdle();
  expect(tree.open).toEqual([idOf(2)]);
  await contents[Symbol.asyncDispose]();
});

test("a content that changed is given up and opened anew the next time", async () => {
  const tree = new CountingTree();
  const contents = new OpenContents(tree);
  tree.isBroken = true;
  expect(await contents.read(EMPTY_CONTENT, range)).toBeUndefined();
  expect(tree.open).toEqual([]);
  tree.isBroken = false;
  expect(await contents.read(EMPTY_CONTENT, range)).toHaveLength(1);
  await contents[Symbol.asyncDispose]();
});

test("a content whose file was renamed while it was open is read on", async () => {
  const fixture = new CentralFixture();
  fixture.write("old", "bytes");
  await fixture.publish();
  await fixture.serve();
  const { content } = fixture.tree.entry(repoPathFromText("old")) as { readonly content: ContentId };
  const contents = new OpenContents(fixture.tree);
  onTestFinished(() => contents[Symbol.asyncDispose]());
  expect(await contents.read(content, { start: 0, end: 5 })).toEqual(Buffer.from("bytes"));
  renameSync(join(fixture.treePath, "old"), join(fixture.treePath, "new"));
  expect(await contents.read(content, { start: 0, end: 5 })).toEqual(Buffer.from("bytes"));
});

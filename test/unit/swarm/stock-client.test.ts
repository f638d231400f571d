import { expect, test } from "vitest";
import type { PeerWireListener } from "../../../src/swarm/wire/peer-wire.ts";
import { MemoryBundle, SampleContent } from "../../support/memory-bundle.ts";
import { MemorySwarm } from "../../support/memory-swarm.ts";
import { SimLink } from "../../../src/sim/network.ts";
import { SimWire } from "../../../src/sim/sim-wire.ts";

const CONTENT = new SampleContent([20_000, 70_000], 65_536);

function silentListener(): PeerWireListener {
  const nothing = (): void => {};
  return {
    onHeld: nothing,
    onHave: nothing,
    onDontHave: nothing,
    onChoke: nothing,
    onUnchoke: nothing,
    onInterested: nothing,
    onUninterested: nothing,
    onRequest: nothing,
    onCancel: nothing,
    onBlock: nothing,
    onReject: nothing,
    onMetadataRequest: nothing,
    onMetadataBlock: nothing,
    onDrain: nothing,
    onClose: nothing,
  };
}

/** A stock client that says it is interested, connected to a seed. */
function stockClientOf(swarm: MemorySwarm, seed: MemoryBundle, listener: Partial<PeerWireListener>): SimWire {
  const host = swarm.add(seed, { isOrigin: true });
  const link = new SimLink(swarm.clock, { upBytesPerSecond: 1e6, downBytesPerSecond: 1e6, delayMs: 1 });
  const end = { peerId: "f".repeat(40), host: "stock", isStockClient: true, supportsFast: false, link };
  const [atHost, wire] = SimWire.pair(host.end, end, CONTENT.layout.pieceLength);
  atHost.listener = host.session.join(atHost);
  wire.listener = { ...silentListener(), ...listener };
  wire.sendInterested();
  return wire;
}

test("padding that a stock client asks for is zeros, though storage has none", async () => {
  const swarm = new MemorySwarm(1);
  const piece = new Uint8Array(65_536).fill(0xff);
  const wire = stockClientOf(swarm, MemoryBundle.seed(CONTENT), {
    onBlock: (_piece, offset, bytes) => piece.set(bytes, offset),
  });
  await swarm.pass(0.1);
  for (let offset = 0; offset < 65_536; offset += 16_384) wire.sendRequest({ piece: 0, offset, lengthBytes: 16_384 });
  await swarm.pass(0.2);
  const expected = new Uint8Array(65_536);
  expected.set(CONTENT.piece(0));
  expect(Buffer.from(piece).equals(expected)).toBe(true);
});

test("a peer without BEP 6 that asks for a lost piece is closed, so that it learns what is held", async () => {
  const swarm = new MemorySwarm(2);
  const seed = MemoryBundle.seed(CONTENT);
  seed.lose(1);
  let closed = "";
  const wire = stockClientOf(swarm, seed, { onClose: (reason) => (closed = reason) });
  await swarm.pass(0.1);
  wire.sendRequest({ piece: 1, offset: 0, lengthBytes: 16_384 });
  await swarm.pass(0.1);
  expect(closed).toMatch(/not held/);
});

test("an idle connection is closed after a minute, one with an interested peer is not", async () => {
  const swarm = new MemorySwarm(4);
  let closed = "";
  const wire = stockClientOf(swarm, MemoryBundle.seed(CONTENT), { onClose: (reason) => (closed = reason) });
  await swarm.pass(100);
  expect(closed).toBe("");
  wire.sendUninterested();
  await swarm.pass(61);
  expect(closed).toBe("idle");
});

test("requests that come together and lie side by side cost one read", async () => {
  const reads: [number, number, number][] = [];
  class WatchedBundle extends MemoryBundle {
    override async readBlock(piece: number, offset: number, length: number): Promise<Uint8Array | undefined> {
      reads.push([piece, offset, length]);
      return await super.readBlock(piece, offset, length);
    }
  }
  const swarm = new MemorySwarm(3);
  const host = swarm.add(new WatchedBundle(CONTENT, [0, 1, 2]), { isOrigin: true });
  const link = new SimLink(swarm.clock, { upBytesPerSecond: 1e6, downBytesPerSecond: 1e6, delayMs: 1 });
  const [atHost, wire] = SimWire.pair(host.end, { peerId: "e".repeat(40), host: "peer", link }, 65_536);
  const listener = host.session.join(atHost);
  atHost.listener = listener;
  wire.listener = silentListener();
  listener.onInterested();
  // One chunk of the socket: no promise settles between its frames.
  for (let offset = 0; offset < 65_536; offset += 16_384) listener.onRequest({ piece: 1, offset, lengthBytes: 16_384 });
  listener.onRequest({ piece: 2, offset: 0, lengthBytes: 4_000 });
  await swarm.pass(0.1);
  expect(reads).toEqual([
    [1, 0, 65_536],
    [2, 0, 4_000],
  ]);
});

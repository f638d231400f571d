import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import LibraryWire from "bittorrent-protocol";
import { afterEach, expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { dialPeer, type AcceptContext } from "../../../src/net/peer-connection.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import type { SocketPeerWire } from "../../../src/net/socket-peer-wire.ts";
import { volunteerIdOf } from "../../../src/trust/signing-key.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { HOSTILE_FRAMES } from "../../support/hostile-frames.ts";
import { BUNDLE, contextOf, INFO_HASH, keyOf, passOf, type ContextParts } from "../../support/peer-context.ts";
import { listenFor, targetAt } from "../../support/peer-listener.ts";
import { PeerRecorder } from "../../support/peer-recorder.ts";
import { extendedFrame, frame, handshakeBytes, repeat } from "../../support/wire-frames.ts";

const K16 = 16384;

const opened: (Server | Socket)[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) if ("destroy" in one) one.destroy(); else one.close(); // prettier-ignore
});

/** Polls: for what no event tells. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

interface Pair {
  readonly here: SocketPeerWire;
  readonly there: SocketPeerWire;
  readonly heard: PeerRecorder;
  readonly heardThere: PeerRecorder;
}

/** Two admitted volunteers with listeners. */
async function establishedPair(clock: Clock = realClock): Promise<Pair> {
  const { port, accepted } = await listenFor(contextOf({ key: keyOf(3), clock }));
  const here = await dialPeer(targetAt(port), contextOf({ key: keyOf(4), clock }));
  const there = await accepted;
  const heard = new PeerRecorder();
  const heardThere = new PeerRecorder();
  here.setListener(heard);
  there.setListener(heardThere);
  return { here, there, heard, heardThere };
}

test("two volunteers admit each other with real signatures", async () => {
  const origin = keyOf(3);
  const { port, accepted } = await listenFor(contextOf({ key: origin, pass: passOf(origin, true) }));
  const here = await dialPeer(targetAt(port, { peerId: volunteerIdOf(origin.publicKey) }), contextOf());
  const there = await accepted;
  expect([here.peerId, there.peerId]).toEqual([origin, keyOf(2)].map((key) => volunteerIdOf(key.publicKey)));
  expect([here.isOrigin, there.isOrigin]).toEqual([true, false]);
  expect([here.isStockClient, here.supportsFast, here.metadataSizeBytes]).toEqual([false, true, 20_000]);
  expect(here.receivedBytes).toBe(there.sentBytes);
  expect(here.receivedBytes).toBeLessThan(1000);
  here.close("done");
});

test("everything of the protocol goes both ways", async () => {
  const { here, there, heard, heardThere } = await establishedPair();
  const some = new Bitfield(100);
  some.set(7);
  here.sendHeld(some);
  here.sendHave(99);
  here.sendDontHave(99);
  here.sendInterested();
  await heardThere.seen("interested");
  there.sendHeld(Bitfield.full(100));
  there.sendUnchoke();
  await heard.seen("unchoke");
  here.sendRequest({ piece: 99, offset: 5, lengthBytes: K16 });
  await heardThere.seen("request");
  there.sendBlock(99, 5, Buffer.alloc(K16, 9));
  await heard.seen("block");
  here.sendMetadataRequest(1);
  await heardThere.seen("metadata?");
  there.sendMetadataBlock(1, 20_000, Buffer.alloc(20_000 - K16));
  await heard.seen("metadata 1");
  here.sendUninterested();
  there.sendChoke();
  await Promise.all([heard.seen("choke"), heardThere.seen("uninterested")]);
  here.close("done");
  await heardThere.closed;
  expect(heard.events).toEqual([
    "held 100", "unchoke", `block 99 5 ${K16}`, `metadata 1 ${20_000 - K16}`, "choke", "close done",
  ]); // prettier-ignore
  expect(heardThere.events).toEqual([
    "held 1", "have 99", "dont-have 99", "interested", `request 99 5 ${K16}`, "metadata? 1", "uninterested", "close closed by the peer",
  ]); // prettier-ignore
  expect(heard.blocks[0]).toEqual(Buffer.alloc(K16, 9));
});

test("what a peer says before the listener is there waits for it", async () => {
  const { port, accepted } = await listenFor(contextOf({ key: keyOf(3) }));
  const here = await dialPeer(targetAt(port), contextOf());
  here.sendHeld(Bitfield.full(100));
  here.sendInterested();
  const there = await accepted;
  await new Promise((resolve) => setTimeout(resolve, 50));
  const heardThere = new PeerRecorder();
  there.setListener(heardThere);
  expect(heardThere.events).toEqual([]);
  await heardThere.seen("interested");
  expect(heardThere.events).toEqual(["held 100", "interested"]);
  here.close("done");
});

test("a listener that throws costs this one connection", async () => {
  const { port, accepted } = await listenFor(contextOf({ key: keyOf(3) }));
  const here = await dialPeer(targetAt(port), contextOf());
  const there = await accepted;
  const heardThere = new PeerRecorder();
  heardThere.onInterested = () => {
    throw new Error("a bug of ours");
  };
  there.setListener(heardThere);
  const heard = new PeerRecorder();
  here.setListener(heard);
  here.sendInterested();
  expect(await heardThere.closed).toBe("internal error: a bug of ours");
  expect(await heard.closed).toBe("closed by the peer");
});

test("a connection that ended before the listener came tells it", async () => {
  const { port } = await listenFor(contextOf({ key: keyOf(3) }));
  const here = await dialPeer(targetAt(port), contextOf());
  here.close("changed my mind");
  const heard = new PeerRecorder();
  here.setListener(heard);
  expect(await heard.closed).toBe("changed my mind");
});

test.each<[string, ContextParts, string]>([
  ["a pass of another signer", { pass: passOf(keyOf(2), false, keyOf(9)) }, "signature by the pass key"],
  ["somebody else's pass", { pass: passOf(keyOf(5)) }, "shown by"],
  ["no pass at all", { pass: "x" }, "pass"],
  [
    "somebody else's pass and id, without the key",
    { pass: passOf(keyOf(5)), ownId: volunteerIdOf(keyOf(5).publicKey) },
    "did not sign",
  ],
  ["an id that is not of its key", { ownId: "77".repeat(20) }, "shown by"],
  ["the same id as ours", { key: keyOf(3) }, "connected to itself"],
])("refused: %s", async (_name, parts, reason) => {
  // prettier-ignore
  const { port, accepted } = await listenFor(contextOf({ key: keyOf(3) }));
  // Before its own refusal the dialler may believe that it is in.
  const dialled = dialPeer(targetAt(port), contextOf(parts)).then(
    async (wire) => {
      const heard = new PeerRecorder();
      wire.setListener(heard);
      return heard.closed;
    },
    (error: unknown) => error,
  );
  await expect(accepted).rejects.toMatchObject({
    code: "peer-refused",
    message: expect.stringContaining(reason) as string,
  });
  await dialled;
});

test("a revoked volunteer is refused, and so is an answer from someone else", async () => {
  const revoked = volunteerIdOf(keyOf(2).publicKey);
  const { port, accepted } = await listenFor(contextOf({ key: keyOf(3), revoked }));
  const target = targetAt(port, { peerId: "33".repeat(20) });
  await expect(dialPeer(target, contextOf())).rejects.toThrow("not 3333");
  await expect(accepted).rejects.toMatchObject({ code: "peer-refused" });
  const again = await listenFor(contextOf({ key: keyOf(3), revoked }));
  void dialPeer(targetAt(again.port), contextOf()).then((wire) => wire.setListener(new PeerRecorder()), () => undefined);
  await expect(again.accepted).rejects.toThrow("revoked");
}); // prettier-ignore

test("an unknown bundle and a closed port are told apart", async () => {
  const { port, accepted } = await listenFor(contextOf({ key: keyOf(3) }));
  const other = targetAt(port, { infoHash: "cd".repeat(20) });
  await expect(dialPeer(other, contextOf())).rejects.toMatchObject({ code: "peer-refused" });
  await expect(accepted).rejects.toThrow("no bundle cdcd");
  await expect(dialPeer(targetAt(1), contextOf())).rejects.toMatchObject({ code: "peer-unreachable" });
});

interface RawPeer {
  readonly socket: Socket;
  readonly accepted: Promise<SocketPeerWire>;
  readonly ended: Promise<unknown>;
}

/** A socket that speaks what the test says. */
async function rawPeer(context: AcceptContext): Promise<RawPeer> {
  const { port, accepted } = await listenFor(context);
  const socket = connect(port, "127.0.0.1");
  opened.push(socket);
  socket.on("error", () => undefined).resume();
  const ended = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  return { socket, accepted, ended };
}

const RAW_HANDSHAKE = handshakeBytes({ infoHash: INFO_HASH, peerId: "99".repeat(20), isFast: true, isExtended: true });

test("a signature for another nonce is refused: a recorded pass is of no use", async () => {
  const thief = await rawPeer(contextOf({ key: keyOf(3) }));
  const key = keyOf(5);
  const own = Buffer.from(volunteerIdOf(key.publicKey), "hex");
  const signature = contextOf({ key }).admission.prove({
    receiverNonce: Buffer.alloc(32, 1),
    signerId: own,
    receiverId: Buffer.from(volunteerIdOf(keyOf(3).publicKey), "hex"),
    infoHash: Buffer.from(INFO_HASH, "hex"),
  });
  const pass = passOf(key);
  const message = Buffer.concat([Buffer.from(`d4:pass${pass.length}:${pass}3:sig64:`), signature, Buffer.from("e")]);
  const peerId = own.toString("hex");
  thief.socket.write(handshakeBytes({ infoHash: INFO_HASH, peerId, isFast: true, isExtended: true }));
  thief.socket.write(extendedFrame(0, `d1:md6:prsynci1ee6:prsyncd5:nonce32:${"n".repeat(32)}ee`));
  thief.socket.write(extendedFrame(1, message));
  await expect(thief.accepted).rejects.toThrow("did not sign for this connection");
  await thief.ended;
});

test.each([
  ["silence", Buffer.alloc(0)],
  ["half a handshake", RAW_HANDSHAKE.subarray(0, 30)],
  ["a handshake and no more", RAW_HANDSHAKE],
])("%s for 10 s in all ends it, and no timer is left", async (_name, bytes) => {
  const clock = new ManualClock();
  const { socket, accepted, ended } = await rawPeer(contextOf({ key: keyOf(3), clock }));
  socket.write(bytes);
  await until(() => clock.timerCount > 0);
  clock.advance(9_999);
  expect(socket.destroyed).toBe(false);
  clock.advance(1);
  await expect(accepted).rejects.toThrow("took too long");
  await ended;
  expect(clock.timerCount).toBe(0);
});

test("a stop of the program ends dialling at once", async () => {
  const server = createServer((socket) => opened.push(socket));
  opened.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = new AbortController();
  const port = (server.address() as AddressInfo).port;
  const dialled = dialPeer(targetAt(port), { ...contextOf(), signal: stop.signal });
  stop.abort();
  await expect(dialled).rejects.toThrow("stopped");
  await expect(dialPeer(targetAt(port), { ...contextOf(), signal: stop.signal })).rejects.toThrow("stopped");
});

test("dialling somebody who says nothing ends after 10 s", async () => {
  const clock = new ManualClock();
  const server = createServer((socket) => opened.push(socket));
  opened.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const dialled = dialPeer(targetAt((server.address() as AddressInfo).port), contextOf({ clock }));
  const refused = expect(dialled).rejects.toThrow("took too long");
  await once(server, "connection");
  clock.advance(10_000);
  await refused;
  expect(clock.timerCount).toBe(0);
});

const EARLY = HOSTILE_FRAMES.filter(({ moment }) => moment === "connected" || moment === "handshake-done");
test.each(EARLY.map((row) => [row.name, row] as const))("over a socket: %s", async (_name, row) => {
  const { socket, accepted, ended } = await rawPeer(contextOf({ key: keyOf(3) }));
  if (row.moment === "handshake-done") socket.write(RAW_HANDSHAKE);
  socket.write(row.bytes(BUNDLE));
  await expect(accepted).rejects.toThrow(row.expected);
  await ended;
});

interface StockPeer {
  readonly remote: LibraryWire;
  readonly wire: SocketPeerWire;
  readonly heard: PeerRecorder;
  readonly socket: Socket;
}

/** The library itself as remote, behaving as webtorrent does: its bitfield right after the handshake. */
async function stockPeer(context: AcceptContext): Promise<StockPeer> {
  const { port, accepted } = await listenFor(context);
  const socket = connect(port, "127.0.0.1");
  opened.push(socket);
  const remote = new LibraryWire("tcpOutgoing");
  remote.on("error", () => undefined);
  const stream = remote as unknown as NodeJS.ReadWriteStream;
  stream.pipe(socket).on("error", () => undefined).pipe(stream); // prettier-ignore
  remote.extendedMapping = { 1: "ut_metadata" };
  remote.on("handshake", () => remote.bitfield(Buffer.alloc(13, 0x80)));
  remote.handshake(INFO_HASH, "99".repeat(20), { fast: false });
  const wire = await accepted;
  const heard = new PeerRecorder();
  wire.setListener(heard);
  return { remote, wire, heard, socket };
}

test("a stock client is served where such are allowed", async () => {
  const { remote, wire, heard } = await stockPeer(contextOf({ key: keyOf(3), allowStockClients: true }));
  await heard.seen("held");
  expect([wire.isStockClient, wire.isOrigin, wire.supportsFast]).toEqual([true, false, false]);
  expect(heard.events).toEqual(["held 13"]);
  const unchoked = once(remote, "unchoke");
  wire.sendHeld(Bitfield.full(100));
  wire.sendUnchoke();
  await unchoked;
  const piece = once(remote, "piece");
  remote.request(3, 0, K16);
  await heard.seen("request");
  wire.sendBlock(3, 0, Buffer.alloc(K16, 3));
  expect(await piece).toEqual([3, 0, Buffer.alloc(K16, 3)]);
  wire.sendMetadataSize(30_000);
  wire.sendMetadataRequest(0);
  const [, payload] = (await once(remote, "extended")) as [unknown, Uint8Array];
  expect(Buffer.from(payload).toString()).toBe("d8:msg_typei0e5:piecei0ee");
  wire.close("done");
});

test("a stock client without BEP 6 chokes: its open requests are given up", async () => {
  const { remote, wire, heard } = await stockPeer(contextOf({ key: keyOf(3), allowStockClients: true }));
  remote.unchoke();
  await heard.seen("unchoke");
  wire.sendRequest({ piece: 0, offset: 0, lengthBytes: K16 });
  wire.sendRequest({ piece: 0, offset: K16, lengthBytes: K16 });
  remote.choke();
  await heard.seen(`reject 0 ${K16}`);
  expect(heard.events.slice(-3)).toEqual(["choke", "reject 0 0", `reject 0 ${K16}`]);
  wire.sendRequest({ piece: 1, offset: 0, lengthBytes: K16 });
  await heard.seen("reject 1 0");
  wire.close("done");
});

test("a stock client without the extension protocol, too", async () => {
  const { socket, accepted } = await rawPeer(contextOf({ key: keyOf(3), allowStockClients: true }));
  socket.write(handshakeBytes({ infoHash: INFO_HASH, peerId: "99".repeat(20), isFast: false, isExtended: false }));
  socket.write(frame(2));
  const heard = new PeerRecorder();
  (await accepted).setListener(heard);
  await heard.seen("interested");
});

test.each([
  ["with the extension protocol", true],
  ["without", false],
])("a stock client %s is refused otherwise", async (_name, isExtended) => {
  const { socket, accepted, ended } = await rawPeer(contextOf({ key: keyOf(3) }));
  socket.write(handshakeBytes({ infoHash: INFO_HASH, peerId: "99".repeat(20), isFast: true, isExtended }));
  socket.write(extendedFrame(0, "d1:md11:ut_metadatai1eee"));
  await expect(accepted).rejects.toThrow("pass");
  await ended;
});

/** A raw peer that was let in as a stock client with or without BEP 6. */
async function rawStock(isFast: boolean, clock: Clock = realClock): Promise<RawPeer & { wire: SocketPeerWire; heard: PeerRecorder }> {
  const peer = await rawPeer(contextOf({ key: keyOf(3), allowStockClients: true, clock }));
  peer.socket.write(handshakeBytes({ infoHash: INFO_HASH, peerId: "99".repeat(20), isFast, isExtended: false }));
  const wire = await peer.accepted;
  const heard = new PeerRecorder();
  wire.setListener(heard);
  return { ...peer, wire, heard };
} // prettier-ignore

// A stock client may say several times what it holds; see below.
const ADMITTED = HOSTILE_FRAMES.filter(
  ({ moment, expected }) => moment.startsWith("admitted") && expected !== "held-twice",
);
test.each(ADMITTED.map((row) => [row.name, row] as const))("over a socket: %s", async (_name, row) => {
  const { socket, heard, wire } = await rawStock(row.moment === "admitted");
  socket.write(row.bytes(BUNDLE));
  socket.write(frame(4, 42));
  await Promise.race([heard.closed, heard.seen("have 42")]);
  const end = heard.events.at(-1)!;
  expect(end.startsWith(row.expected === "nothing" ? "have 42" : `close ${row.expected}`)).toBe(true);
  wire.close("done");
});

test("a stock client may say by a bitfield what it got meanwhile, as aria2 does, but not without end", async () => {
  const { socket, heard } = await rawStock(true);
  const half = frame(5, Buffer.alloc(13, 0x50));
  socket.write(Buffer.concat([frame(15), frame(4, 42), half, frame(14)]));
  await heard.seen("held 100");
  expect(heard.events).toEqual(["held 0", "have 42", "held 26", "held 100"]);
  socket.write(repeat(half, (BUNDLE.pieceCount + 1000) / 20));
  expect(await heard.closed).toContain("flood");
});

test("a block counts once, and only if it was asked for", async () => {
  const { socket, wire, heard } = await rawStock(true);
  const block = frame(7, 1, 0, Buffer.alloc(K16));
  socket.write(frame(1));
  await heard.seen("unchoke");
  wire.sendRequest({ piece: 1, offset: 0, lengthBytes: K16 });
  wire.sendRequest({ piece: 1, offset: 0, lengthBytes: K16 });
  socket.write(Buffer.concat([frame(7, 1, 0, Buffer.alloc(K16 - 1)), frame(7, 1, 1, Buffer.alloc(K16)), block, block]));
  socket.write(frame(4, 42));
  await heard.seen("have 42");
  expect(heard.events).toEqual(["unchoke", `block 1 0 ${K16}`, "have 42"]);
  expect(wire.unrequestedCount).toBe(3);
  socket.write(repeat(frame(7, 1, 0, Buffer.alloc(1)), 48));
  expect(await heard.closed).toContain("not asked for");
});

test("an answer to a cancelled request is no offence", async () => {
  const { socket, wire, heard } = await rawStock(true);
  socket.write(frame(1));
  await heard.seen("unchoke");
  wire.sendRequest({ piece: 1, offset: 0, lengthBytes: 9 });
  wire.sendCancel({ piece: 1, offset: 0, lengthBytes: 9 });
  socket.write(Buffer.concat([frame(7, 1, 0, Buffer.alloc(9)), frame(4, 42)]));
  await heard.seen("have 42");
  expect([heard.blocks.length, wire.unrequestedCount]).toEqual([0, 0]);
  wire.close("done");
});

test("the queue of requests is bounded: surplus is rejected with BEP 6", async () => {
  const { here, there, heard, heardThere } = await establishedPair();
  there.sendUnchoke();
  await heard.seen("unchoke");
  for (let i = 0; i < 502; i++) here.sendRequest({ piece: i % 100, offset: i, lengthBytes: 1 });
  await heard.seen("reject 1 501");
  expect(heardThere.requests).toHaveLength(500);
  there.sendBlock(0, 0, Buffer.of(7));
  there.sendBlock(0, 0, Buffer.of(7));
  there.sendChoke();
  await heard.seen("reject 99 499");
  expect(heard.blocks).toHaveLength(1);
  expect(heard.events.filter((event) => event.startsWith("reject"))).toHaveLength(501);
  here.close("done");
});

test("the queue of requests is bounded: without BEP 6 surplus ends it", async () => {
  const { socket, wire, heard } = await rawStock(false);
  wire.sendUnchoke();
  socket.write(Buffer.concat(Array.from({ length: 501 }, (_, i) => frame(6, 0, i, 1))));
  expect(await heard.closed).toContain("queue of requests is full");
  expect(heard.requests).toHaveLength(500);
});

test("a cancel is answered by a reject, and no block follows", async () => {
  const { here, there, heard, heardThere } = await establishedPair();
  there.sendUnchoke();
  await heard.seen("unchoke");
  here.sendRequest({ piece: 5, offset: 0, lengthBytes: 100 });
  here.sendCancel({ piece: 5, offset: 0, lengthBytes: 100 });
  await heardThere.seen("cancel 5");
  there.sendBlock(5, 0, Buffer.alloc(100));
  there.sendHave(1);
  await heard.seen("have 1");
  expect(heard.events).toEqual(["unchoke", "have 1"]);
  expect(here.unrequestedCount).toBe(0);
  here.close("done");
});

test("bytes of a block are the caller's again, whether it was sent or was not to be sent any more", async () => {
  const { here, there, heard, heardThere } = await establishedPair();
  there.sendUnchoke();
  await heard.seen("unchoke");
  here.sendRequest({ piece: 5, offset: 0, lengthBytes: 100 });
  await heardThere.seen("request");
  const free: string[] = [];
  there.sendBlock(5, 0, Buffer.alloc(100), () => free.push("sent"));
  there.sendBlock(6, 0, Buffer.alloc(100), () => free.push("never asked for"));
  expect(free).toEqual(["never asked for"]);
  await heard.seen("block 5 0 100");
  await until(() => free.length === 2);
  expect(free[1]).toBe("sent");
  here.close("done");
});

test("a cancelled block that waits at the socket is taken back, and a reject comes in its place", async () => {
  const { socket, wire, heard } = await rawStock(true);
  socket.pause();
  wire.sendUnchoke();
  const asked = Array.from({ length: 500 }, (_, i) => ({ piece: i % 100, offset: i >> 3 }));
  socket.write(Buffer.concat(asked.map(({ piece, offset }) => frame(6, piece, offset, K16))));
  await heard.seen(`request 99 ${499 >> 3}`);
  for (const { piece, offset, lengthBytes } of heard.requests) wire.sendBlock(piece, offset, Buffer.alloc(lengthBytes));
  await new Promise((resolve) => setTimeout(resolve, 100)); // the kernel takes what it takes
  const before = wire.queuedBytes;
  expect(before).toBeGreaterThan(20 * K16);
  const last = asked.slice(-10);
  socket.write(Buffer.concat(last.map(({ piece, offset }) => frame(8, piece, offset, K16))));
  await heard.seen("cancel 99");
  // Ten rejects of 17 bytes stand where ten blocks of 16 KiB and 13 bytes stood.
  expect(before - wire.queuedBytes).toBe(10 * (13 + K16) - 10 * 17);
  wire.close("done");
});

test("a peer that does not read is seen in queuedBytes and closed after 30 s", async () => {
  const clock = new ManualClock();
  const { socket, wire, heard } = await rawStock(true, clock);
  socket.pause();
  wire.sendUnchoke();
  const requests = Array.from({ length: 500 }, (_, i) => frame(6, i % 100, i >> 3, K16));
  socket.write(Buffer.concat(requests));
  await heard.seen(`request 99 ${499 >> 3}`);
  for (const { piece, offset, lengthBytes } of heard.requests) wire.sendBlock(piece, offset, Buffer.alloc(lengthBytes));
  expect(wire.queuedBytes).toBeGreaterThan(500 * K16);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(wire.queuedBytes).toBeGreaterThan(1 << 20);
  socket.write(frame(2)); // it does talk
  await heard.seen("interested");
  clock.advance(35_000);
  expect(await heard.closed).toBe("the peer does not read");
});

test("a volunteer whose line was cut is let go after 100 s", async () => {
  const clock = new ManualClock();
  const { port, accepted } = await listenFor(contextOf({ key: keyOf(3) })); // it says nothing in real time so short
  const here = await dialPeer(targetAt(port), contextOf({ key: keyOf(4), clock }));
  const heard = new PeerRecorder();
  here.setListener(heard);
  (await accepted).setListener(new PeerRecorder());
  clock.advance(65_000);
  await until(() => here.queuedBytes === 0);
  clock.advance(30_000);
  expect(heard.events).toEqual([]);
  clock.advance(10_000);
  expect(heard.events).toEqual(["close silent"]);
});

test("a stock client's silence for 150 s and a frame that takes 30 s end it; keep-alives go out after 60 s", async () => {
  const clock = new ManualClock();
  const silent = await rawStock(true, clock);
  await until(() => silent.wire.queuedBytes === 0);
  const before = silent.wire.sentBytes;
  clock.advance(65_000);
  await until(() => silent.wire.sentBytes > before);
  expect(silent.wire.sentBytes).toBe(before + 4);
  clock.advance(80_000);
  expect(silent.heard.events).toEqual([]);
  clock.advance(10_000);
  expect(await silent.heard.closed).toBe("silent");
  const slow = await rawStock(true, clock);
  slow.socket.write(Buffer.of(0, 0));
  await until(() => slow.wire.receivedBytes === 70);
  clock.advance(35_000);
  expect(await slow.heard.closed).toBe("a frame was not completed");
  expect(clock.timerCount).toBe(0);
});

test("pieces stream through with a full pipeline, and draining is told", async () => {
  const { here, there, heard, heardThere } = await establishedPair();
  const total = 4096;
  const payload = Buffer.alloc(K16, 0xa5);
  let asked = 0;
  const ask = (): void => {
    const start = asked++ * K16;
    here.sendRequest({ piece: Math.floor(start / 65536) % 100, offset: start % 65536, lengthBytes: K16 });
  };
  heardThere.onRequest = ({ piece, offset }) => there.sendBlock(piece, offset, payload);
  let received = 0;
  const done = new Promise<void>((resolve) => {
    heard.onBlock = () => {
      if (++received === total) resolve();
      else if (asked < total) ask();
    };
  });
  there.sendUnchoke();
  await heard.seen("unchoke");
  const started = performance.now();
  for (let i = 0; i < 128; i++) ask();
  await done;
  const mibPerSecond = (total * K16) / 2 ** 20 / ((performance.now() - started) / 1000);
  process.stdout.write(`one link in one process: ${mibPerSecond.toFixed(0)} MiB/s\n`);
  expect(here.receivedBytes).toBeGreaterThan(total * K16);
  expect(heardThere.events).toContain("drain");
  here.close("done");
});

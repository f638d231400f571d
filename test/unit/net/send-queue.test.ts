import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { FrameWire, headOfBlock } from "../../../src/net/frame-wire.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import { SendQueue } from "../../../src/net/send-queue.ts";
import { ReadMemory } from "../../../src/swarm/read-memory.ts";

const BLOCK = new Uint8Array(16 * 1024).fill(7);
const BLOCKS = 600;
const ID = { choke: 0, have: 4, request: 6, piece: 7, cancel: 8, extended: 20 };

/** What a peer hears that begins to read only after all was said. */
async function heardLate(say: (wire: FrameWire) => void): Promise<number[]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const incoming = once(server, "connection");
  const { port } = server.address() as { port: number };
  const socket = connect({ port, host: "127.0.0.1" });
  const [reader] = (await incoming) as [Socket];
  const queue = new SendQueue(socket, realClock);
  const wire = new FrameWire("tcpOutgoing", (frame) => queue.push(frame));
  for (let index = 0; index < BLOCKS; index++) wire.piece(index, 0, BLOCK);
  await sleep(50); // the kernel takes what it takes
  say(wire);
  const expectedBytes = queue.acceptedBytes;
  const chunks: Buffer[] = [];
  let received = 0;
  const done = new Promise<void>((resolve) => {
    reader.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received === expectedBytes) resolve();
    });
  });
  reader.resume();
  await done;
  expect(queue.queuedBytes).toBe(0);
  socket.destroy();
  server.close();
  return idsOf(Buffer.concat(chunks));
}

/** Message ids of whole frames; blocks must be intact. */
function idsOf(bytes: Buffer): number[] {
  const ids: number[] = [];
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) {
    const id = bytes[at + 4]!;
    if (id === ID.piece) expect(bytes.subarray(at + 13, at + 13 + BLOCK.length).equals(BLOCK)).toBe(true);
    ids.push(id);
  }
  return ids;
}

test("memory that serves again once it was sent carries every block as it was", async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const incoming = once(server, "connection");
  const socket = connect({ port: (server.address() as { port: number }).port, host: "127.0.0.1" });
  const [reader] = (await incoming) as [Socket];
  const queue = new SendQueue(socket, realClock);
  const wire = new FrameWire("tcpOutgoing", (frame) => queue.push(frame));
  const memory = new ReadMemory();
  const used = new Set<Uint8Array>();
  const length = 32 * 1024;
  const heard: number[] = [];
  let rest = Buffer.alloc(0);
  const count = 400;
  const done = new Promise<void>((resolve) => {
    reader.on("data", (chunk: Buffer) => {
      for (rest = Buffer.concat([rest, chunk]); rest.length >= 13 + length; rest = rest.subarray(13 + length)) {
        const block = rest.subarray(13, 13 + length);
        heard.push(block.every((byte) => byte === block[0]) ? block[0]! : -1);
      }
      if (heard.length === count) resolve();
    });
  });
  setTimeout(() => reader.resume(), 50);
  for (let index = 0; index < count; index++) {
    while (queue.queuedBytes > 512 * 1024) await sleep(1);
    const bytes = memory.take(length)!.fill(index % 251);
    used.add(bytes);
    wire.piece(index, 0, bytes, () => memory.giveBack(bytes));
    if (index === 20) {
      const head = headOfBlock({ piece: index, offset: 0, lengthBytes: length });
      const before = memory.freeBytes;
      expect(queue.withdrawBlock(head)).toBe(true);
      expect(memory.freeBytes - before).toBe(length);
      wire.piece(index, 0, memory.take(length)!.fill(index));
    }
  }
  await done;
  expect(heard).toEqual(Array.from({ length: count }, (_, index) => index % 251));
  expect(used.size).toBeLessThan(count / 4);
  socket.destroy();
  server.close();
});

test("requests, cancels and haves overtake blocks that wait, in their own order", async () => {
  const ids = await heardLate((wire) => {
    wire.peerChoking = false;
    wire.request(1, 0, 16384);
    wire.cancel(1, 0, 16384);
    wire.have(3);
  });
  const first = ids.findIndex((id) => id !== ID.piece);
  expect(ids.slice(first, first + 3)).toEqual([ID.request, ID.cancel, ID.have]);
  expect(ids.slice(first + 3).filter((id) => id === ID.piece).length).toBeGreaterThan(BLOCKS / 4);
  expect(ids).toHaveLength(BLOCKS + 3);
});

test("a choke comes after the blocks before it, with what depends on it", async () => {
  const ids = await heardLate((wire) => {
    wire.amChoking = false;
    wire.choke();
    wire.have(3);
  });
  expect(ids.at(-1)).toBe(ID.choke);
  expect(ids.indexOf(ID.have)).toBeLessThan(ids.lastIndexOf(ID.piece));
});

test("extended messages overtake blocks, those with the info dictionary too", async () => {
  const ids = await heardLate((wire) => {
    wire.extended(2, new Uint8Array(16_384));
    wire.extended(3, new Uint8Array(4));
  });
  const places = ids.flatMap((id, index) => (id === ID.extended ? [index] : []));
  expect(places).toHaveLength(2);
  for (const place of places) expect(place).toBeLessThan(BLOCKS / 2 + 100);
});

import Wire from "bittorrent-protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameWire, type OutgoingFrame } from "../../../src/net/frame-wire.ts";

/** Beyond it the library tells negative numbers; no piece or offset that the gate lets pass is. */
const NUMBER = fc.nat();
const BLOCK = fc.uint8Array({ minLength: 1, maxLength: 300 });
const EVENTS = ["have", "request", "piece"];
const HANDSHAKE = Buffer.concat([Buffer.from("\x13BitTorrent protocol", "latin1"), Buffer.alloc(48, 4)]);

/** The library alone: what it writes. */
class PlainWire extends Wire {
  readonly written: Uint8Array[] = [];

  override push(chunk: Uint8Array | null): boolean {
    if (chunk !== null) this.written.push(chunk);
    return true;
  }
}

function say(wire: Wire, [piece, offset, lengthBytes]: [number, number, number], block: Uint8Array): void {
  wire.peerChoking = false;
  wire.have(piece);
  wire.request(piece, offset, lengthBytes);
  wire.piece(piece, offset, block);
}

test("frames that pass by the library are those that it writes", () => {
  fc.assert(
    fc.property(fc.tuple(NUMBER, NUMBER, NUMBER), BLOCK, (numbers, block) => {
      const sent: OutgoingFrame[] = [];
      const plain = new PlainWire();
      say(plain, numbers, block);
      say(new FrameWire("tcpOutgoing", (frame) => sent.push(frame)), numbers, block);
      const frames = sent.map(({ parts }) => Buffer.concat(parts));
      expect(Buffer.concat(frames)).toEqual(Buffer.concat(plain.written));
      expect(sent.map(({ lengthBytes, kind }) => [lengthBytes, kind])).toEqual([
        [9, "urgent"],
        [17, "urgent"],
        [13 + block.length, "block"],
      ]);
      expect(frames.map((frame) => frame.length)).toEqual(sent.map(({ lengthBytes }) => lengthBytes));
    }),
  );
});

/** What a wire tells of frames, after the handshake. */
function heardBy(wire: Wire, receive: (frame: Uint8Array) => void, frames: readonly Uint8Array[]): unknown[] {
  const heard: unknown[] = [];
  for (const event of EVENTS) {
    wire.on(event, (...words: unknown[]) => {
      heard.push([event, ...words.filter((word) => typeof word !== "function").map(plainly)]);
    });
  }
  wire.amChoking = false;
  for (const frame of [HANDSHAKE, ...frames]) receive(frame);
  return heard;
}

function plainly(word: unknown): unknown {
  return word instanceof Uint8Array ? Buffer.from(word).toString("hex") : word;
}

test("frames that pass by the library are told as it tells them", () => {
  fc.assert(
    fc.property(fc.tuple(fc.nat(5_000), NUMBER, NUMBER), BLOCK, (numbers, block) => {
      const frames: Uint8Array[] = [];
      const writer = new FrameWire("tcpOutgoing", ({ parts }) => frames.push(Buffer.concat(parts)));
      say(writer, numbers, block);
      writer.unchoke();
      const plain = new PlainWire("tcpIncoming");
      const ours = new FrameWire("tcpIncoming", () => undefined);
      const heard = heardBy(ours, (frame) => ours.receive(frame), frames);
      expect(heard).toEqual(heardBy(plain, (frame) => plain._write(frame, () => undefined), frames));
      expect(heard).toHaveLength(EVENTS.length);
    }),
  );
});

test("a piece that was lost and came again is told again", () => {
  const frames: Uint8Array[] = [];
  const writer = new FrameWire("tcpOutgoing", ({ parts }) => frames.push(Buffer.concat(parts)));
  writer.have(7);
  writer.have(7);
  const wire = new FrameWire("tcpIncoming", () => undefined);
  expect(heardBy(wire, (frame) => wire.receive(frame), frames)).toEqual([
    ["have", 7],
    ["have", 7],
  ]);
});

test("what a choked peer asks for is not told", () => {
  const frames: Uint8Array[] = [];
  new FrameWire("tcpOutgoing", ({ parts }) => frames.push(Buffer.concat(parts))).request(1, 2, 3);
  const wire = new FrameWire("tcpIncoming", () => undefined);
  const heard: unknown[] = [];
  wire.on("request", (...words: unknown[]) => heard.push(words));
  for (const frame of [HANDSHAKE, ...frames]) wire.receive(frame);
  expect(heard).toEqual([]);
});

test("what the library keeps of a frame outlasts the memory in which it came", () => {
  const wire = new FrameWire("tcpOutgoing", () => undefined);
  const told: Uint8Array[] = [];
  wire.on("bitfield", (field: { readonly buffer: Uint8Array }) => told.push(field.buffer));
  const memory = Buffer.alloc(HANDSHAKE.length);
  for (const frame of [HANDSHAKE, Buffer.from([0, 0, 0, 2, 5, 0b1010_0000])]) {
    memory.set(frame);
    wire.receive(memory.subarray(0, frame.length));
    memory.fill(0);
  }
  expect(told.map((bytes) => [...bytes])).toEqual([[0b1010_0000]]);
});

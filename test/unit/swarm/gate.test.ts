import bencode from "bencode";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBencode, encodeBencode, type BencodeValue } from "../../../src/codec/bencode.ts";
import { SwarmError } from "../../../src/swarm/errors.ts";
import { parseExtendedHandshake } from "../../../src/swarm/wire/extended-handshake.ts";
import type { PieceGeometry, WireRefusal } from "../../../src/swarm/wire/frame-rules.ts";
import { FrameGate } from "../../../src/swarm/wire/gate.ts";
import { HOSTILE_FRAMES, type HostileMoment } from "../../support/hostile-frames.ts";
import { extendedFrame, frame, handshakeBytes, prefix, repeat, uint32Bytes } from "../../support/wire-frames.ts";

// 10 pieces: six spare bits.
const GEOMETRY: PieceGeometry = { pieceCount: 10, pieceLength: 65536 };
const HANDSHAKE = handshakeBytes({
  infoHash: "11".repeat(20),
  peerId: "22".repeat(20),
  isFast: true,
  isExtended: true,
});
const EXTENDED_HANDSHAKE = extendedFrame(0, `d1:md6:prsynci1ee6:prsyncd5:nonce32:${"n".repeat(32)}ee`);
const PASS = extendedFrame(1, `d4:pass1:p3:sig64:${"s".repeat(64)}e`);

/** A gate that behaves as a connection would: stage follows stage as frames come. */
class TestGate {
  readonly delivered: Buffer[] = [];
  nowMs = 0;
  readonly gate: FrameGate = new FrameGate({ nowMs: () => this.nowMs, deliver: (bytes) => this.#deliver(bytes) });
  readonly #options: { readonly isFast: boolean; readonly allowsStock: boolean };

  constructor(options: { readonly isFast?: boolean; readonly allowsStock?: boolean } = {}) {
    this.#options = { isFast: options.isFast ?? true, allowsStock: options.allowsStock ?? false };
  }

  static at(moment: HostileMoment): TestGate {
    const gate = new TestGate({ isFast: moment !== "admitted-without-fast" });
    if (moment === "connected") return gate;
    gate.gate.receive(HANDSHAKE);
    if (moment === "handshake-done") return gate;
    gate.gate.receive(EXTENDED_HANDSHAKE);
    if (moment !== "extended-done") gate.gate.receive(PASS);
    return gate;
  }

  /** Feeds `bytes` in chunks of `size`, each in memory that is something else afterwards. */
  feed(bytes: Uint8Array, size: number): WireRefusal | undefined {
    let refused: WireRefusal | undefined;
    for (let at = 0; at < bytes.length; at += size) refused = this.receive(bytes.subarray(at, at + size));
    return refused;
  }

  receive(bytes: Uint8Array): WireRefusal | undefined {
    const chunk = Buffer.from(bytes);
    const refused = this.gate.receive(chunk);
    chunk.fill(0xee);
    return refused;
  }

  #deliver(bytes: Uint8Array): void {
    this.delivered.push(Buffer.from(bytes));
    const isFast = this.#options.isFast;
    const count = this.delivered.length;
    if (count === 1)
      this.gate.expectExtended({ geometry: GEOMETRY, isFast, holdsEarlyFrames: this.#options.allowsStock });
    else if (bytes[4] === 20 && bytes[5] === 0 && count === 2) this.#decideKind();
    else if (bytes[4] === 20 && bytes[5] === 1) this.gate.open();
  }

  #decideKind(): void {
    if (this.gate.extendedHandshake!.nonce === undefined) this.gate.open();
    else this.gate.expectPass();
  }
}

test.each(HOSTILE_FRAMES.map((row) => [row.name, row] as const))("%s", (_name, row) => {
  const bytes = row.bytes(GEOMETRY);
  const expected = row.expected === "nothing" ? undefined : row.expected;
  expect(TestGate.at(row.moment).feed(bytes, bytes.length)?.reason).toBe(expected);
  expect(TestGate.at(row.moment).feed(bytes, 1)?.reason).toBe(expected);
});

test.each(HOSTILE_FRAMES.map((row) => [row.name, row] as const))("nothing passes after: %s", (_name, row) => {
  const gate = TestGate.at(row.moment);
  const isRefused = gate.feed(row.bytes(GEOMETRY), 1 << 20) !== undefined;
  const before = gate.delivered.length;
  gate.feed(frame(1), 100);
  expect(gate.delivered.length > before).toBe(!isRefused && row.moment.startsWith("admitted"));
});

test("what it learnt of a handshake outlasts the chunk that it came in", () => {
  const gate = TestGate.at("extended-done");
  expect(Buffer.from(gate.gate.extendedHandshake!.nonce!).toString()).toBe("n".repeat(32));
});

test("a length is refused at its last byte, before anything of the body", () => {
  const gate = TestGate.at("admitted");
  expect(gate.feed(Buffer.of(0, 1, 0), 3)).toBeUndefined();
  expect(gate.feed(Buffer.of(1), 1)?.reason).toBe("frame-length");
  const other = TestGate.at("admitted");
  expect(other.feed(prefix(13, 6), 5)).toBeUndefined();
  expect(other.gate.waitingBytes).toBe(0);
});

test("budgets are per minute", () => {
  const gate = TestGate.at("admitted");
  expect(gate.feed(repeat(uint32Bytes(0), 600), 4)).toBeUndefined();
  gate.nowMs = 60_000;
  expect(gate.feed(repeat(uint32Bytes(0), 600), 4)).toBeUndefined();
  expect(gate.feed(uint32Bytes(0), 4)?.reason).toBe("flood");
});

test("requests of an unchoked peer are not limited by the gate", () => {
  const gate = TestGate.at("admitted");
  gate.gate.isChoking = false;
  expect(gate.feed(repeat(frame(6, 1, 0, 16384), 6000), 17)).toBeUndefined();
  expect(gate.delivered).toHaveLength(6003);
});

test("a stock client's frames before its extended handshake wait for it, in order", () => {
  const gate = new TestGate({ allowsStock: true });
  const bitfield = frame(5, Buffer.of(0xff, 0xc0));
  const extended = extendedFrame(0, "d1:md11:ut_metadatai3eee");
  gate.feed(Buffer.concat([HANDSHAKE, bitfield, frame(2)]), 7);
  expect(gate.delivered).toHaveLength(1);
  gate.feed(Buffer.concat([extended, frame(1)]), 5);
  expect(gate.delivered).toEqual([HANDSHAKE, extended, bitfield, frame(2), frame(1)]);
});

test("what waits for a stock client's extended handshake is bounded", () => {
  const gate = new TestGate({ allowsStock: true });
  gate.feed(HANDSHAKE, 68);
  expect(gate.feed(repeat(frame(4, 1), 500), 9)?.reason).toBe("early-frame");
  expect(gate.gate.waitingBytes).toBeLessThan(4200);
});

test("a volunteer may not send frames early even where stock clients may", () => {
  const gate = new TestGate({ allowsStock: true });
  expect(gate.feed(Buffer.concat([HANDSHAKE, frame(2), EXTENDED_HANDSHAKE]), 1000)?.reason).toBe("early-frame");
  const later = new TestGate({ allowsStock: true });
  expect(later.feed(Buffer.concat([HANDSHAKE, EXTENDED_HANDSHAKE, frame(2)]), 1000)?.reason).toBe("early-frame");
});

test("paused, it keeps what comes and gives it in order afterwards", () => {
  const gate = TestGate.at("admitted");
  gate.gate.pause();
  gate.feed(Buffer.concat([frame(1), frame(4, 3), frame(2)]), 4);
  expect(gate.delivered).toHaveLength(3);
  expect(gate.gate.resume()).toBeUndefined();
  expect(gate.delivered.slice(3)).toEqual([frame(1), frame(4, 3), frame(2)]);
});

test("it knows since when a frame is incomplete", () => {
  const gate = TestGate.at("admitted");
  gate.nowMs = 5;
  gate.feed(frame(4, 3).subarray(0, 6), 2);
  expect(gate.gate.frameStartedMs).toBe(5);
  gate.nowMs = 7;
  gate.feed(frame(4, 3).subarray(6), 9);
  expect(gate.gate.frameStartedMs).toBeUndefined();
});

test("a frame within one chunk is a view, not a copy", () => {
  const chunk = Buffer.concat([frame(1), frame(7, 0, 0, Buffer.alloc(16384, 7))]);
  const seen: Uint8Array[] = [];
  const gate: FrameGate = new FrameGate({
    nowMs: () => 0,
    deliver: (bytes) => {
      seen.push(bytes);
      if (bytes.length === 68) {
        gate.expectExtended({ geometry: GEOMETRY, isFast: true, holdsEarlyFrames: false });
        gate.open();
      }
    },
  });
  gate.receive(HANDSHAKE);
  gate.receive(chunk);
  expect(seen[2]!.buffer).toBe(chunk.buffer);
});

const piece = fc.nat({ max: GEOMETRY.pieceCount - 1 });
const offset = fc.nat({ max: GEOMETRY.pieceLength - 16384 });
const length = fc.integer({ min: 1, max: 16384 });
const legalFrame: fc.Arbitrary<Buffer> = fc.oneof(
  fc.constantFrom(uint32Bytes(0), frame(0), frame(1), frame(2), frame(3)),
  piece.map((index) => frame(4, index)),
  fc.tuple(fc.constantFrom(6, 8, 16), piece, offset, length).map(([id, ...numbers]) => frame(id, ...numbers)),
  fc.tuple(piece, offset, fc.uint8Array({ minLength: 1, maxLength: 3000 })).map((parts) => frame(7, ...parts)),
  piece.map((index) => extendedFrame(2, `d8:msg_typei0e5:piecei${index}ee`)),
);

test("any chunking of a legal stream gives the same frames", () => {
  fc.assert(
    fc.property(
      fc.array(legalFrame, { maxLength: 30 }),
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 }),
      (frames, sizes) => {
        const stream = Buffer.concat([HANDSHAKE, EXTENDED_HANDSHAKE, PASS, ...frames]);
        const gate = new TestGate();
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + sizes[i % sizes.length]!;
          expect(gate.receive(stream.subarray(at, end))).toBeUndefined();
          at = end;
        }
        expect(gate.delivered).toEqual([HANDSHAKE, EXTENDED_HANDSHAKE, PASS, ...frames]);
      },
    ),
    { numRuns: 300 },
  );
});

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
/** Mostly frames with odd insides, so that more than the first prefix is reached. */
const noise = fc.oneof(
  anyBytes,
  legalFrame,
  fc.tuple(fc.nat({ max: 25 }), anyBytes).map(([id, bytes]) => frame(id, bytes)),
  fc.tuple(fc.nat({ max: 3 }), anyBytes).map(([id, bytes]) => extendedFrame(id, bytes)),
  fc.tuple(fc.nat(), fc.nat({ max: 25 })).map(([size, id]) => prefix(size, id)),
);

test("random bytes at any stage never throw and never make it keep more than a frame", () => {
  const moments: HostileMoment[] = ["connected", "handshake-done", "extended-done", "admitted"];
  fc.assert(
    fc.property(fc.constantFrom(...moments), fc.array(noise, { maxLength: 20 }), (moment, chunks) => {
      const gate = TestGate.at(moment);
      for (const chunk of chunks) gate.receive(chunk);
      expect(gate.gate.waitingBytes).toBeLessThanOrEqual(4200);
    }),
    { numRuns: 5000 },
  );
});

const asciiKey = fc.string({ unit: fc.constantFrom(..."abmptv_$ 0:".split("")), maxLength: 8 });
const key = fc.oneof(asciiKey, fc.constantFrom("m", "__proto__", "toString", "constructor", "prsync", "\xff"));
const { value: anyValue } = fc.letrec<{ value: BencodeValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.integer({ min: -300, max: 300 }),
    fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
    anyBytes,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }).map((pairs) => new Map(pairs)),
  ),
}));
const extensionMap = fc.array(fc.tuple(asciiKey, fc.nat({ max: 255 })), { maxLength: 70 }).map((all) => new Map(all));
const handshakeValue = fc
  .tuple(fc.array(fc.tuple(key, anyValue), { maxLength: 6 }), fc.option(extensionMap))
  .map(([pairs, m]) => new Map<string, BencodeValue>(m === null ? pairs : [...pairs, ["m", m]]));
/** Valid, nearly valid, and letters that bencode is made of. */
const payload = fc.oneof(
  handshakeValue.map((value) => Buffer.from(encodeBencode(value))),
  fc.tuple(handshakeValue, fc.nat(), fc.nat({ max: 255 })).map(([value, at, byte]) => {
    const bytes = Buffer.from(encodeBencode(value));
    bytes[at % bytes.length] = byte;
    return bytes;
  }),
  fc
    .array(fc.constantFrom("d", "l", "e", "i", "1:m", "de", "-", "0", "3", ":", "i1e"), { maxLength: 20 })
    .map((parts) => Buffer.from(`d${parts.join("")}e`, "latin1")),
);

test("every extended handshake that passes means the same to the library, and both read it within 5 ms", () => {
  let passed = 0;
  fc.assert(
    fc.property(payload, (bytes) => {
      if (!isAccepted(bytes)) return;
      passed++;
      const started = performance.now();
      expect(bencode.decode(bytes)).toEqual(asLibraryValue(decodeBencode(bytes)));
      if (performance.now() - started < 5) return;
      // Perhaps something else had the processor.
      expect(quickestMs(() => [parseExtendedHandshake(bytes), bencode.decode(bytes)])).toBeLessThan(5);
    }),
    { numRuns: 20_000 },
  );
  expect(passed).toBeGreaterThan(2000);
});

test("the costliest extended handshakes that pass are read by both within 5 ms", () => {
  const strings = `d1:al${"0:".repeat(1000)}ee`;
  const long = `d1:a65000:${"x".repeat(65_000)}e`;
  const digits = `d1:al${"i-9007199254740991e".repeat(1000)}ee`;
  for (const bytes of [strings, long, digits].map((ascii) => Buffer.from(ascii, "latin1"))) {
    expect(isAccepted(bytes)).toBe(true);
    expect(quickestMs(() => [parseExtendedHandshake(bytes), bencode.decode(bytes)])).toBeLessThan(5);
  }
});

function isAccepted(bytes: Uint8Array): boolean {
  try {
    parseExtendedHandshake(bytes);
    return true;
  } catch (error) {
    if (error instanceof SwarmError) return false;
    throw error;
  }
}

/** The same value as the library would build it. */
function asLibraryValue(value: BencodeValue): unknown {
  if (typeof value === "number") return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(asLibraryValue);
  return Object.fromEntries([...value].map(([name, inner]) => [name, asLibraryValue(inner)]));
}

function quickestMs(action: () => unknown): number {
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now();
    action();
    return performance.now() - started;
  });
  return Math.min(...times);
}

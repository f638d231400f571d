import { expect, test } from "vitest";
import {
  MAX_PIPELINE_DEPTH,
  MEASURED_MIN_DEPTH,
  MIN_PIPELINE_DEPTH,
  PeerPipeline,
  REQUEST_TIMEOUT_MS,
  SILENCE_MS,
} from "../../../src/swarm/peer-pipeline.ts";

const BLOCK = 16_384;

function request(index: number): { piece: number; offset: number; lengthBytes: number } {
  return { piece: index, offset: 0, lengthBytes: BLOCK };
}

/** Runs a peer that answers `perSecond` blocks a second, each `delayMs` after its request, for `seconds`. */
function runSteady(
  pipeline: PeerPipeline,
  pace: { perSecond: number; delayMs: number; seconds: number; lengthBytes?: number },
): number {
  const gapMs = 1000 / pace.perSecond;
  const lengthBytes = pace.lengthBytes ?? BLOCK;
  let nowMs = 0;
  for (let index = 0; index < pace.perSecond * pace.seconds; index++) {
    nowMs = index * gapMs;
    pipeline.sent({ ...request(index), lengthBytes }, nowMs - pace.delayMs);
    pipeline.arrived(index, 0, nowMs);
  }
  return nowMs;
}

test("a fresh pipeline has the least depth", () => {
  expect(new PeerPipeline(0).depth(0)).toBe(MIN_PIPELINE_DEPTH);
});

test("the depth follows rate × (delay + reserve)", () => {
  const pipeline = new PeerPipeline(0);
  const nowMs = runSteady(pipeline, { perSecond: 100, delayMs: 200, seconds: 10 });
  expect(pipeline.depth(nowMs)).toBeGreaterThanOrEqual(45);
  expect(pipeline.depth(nowMs)).toBeLessThanOrEqual(55);
});

test("of a peer that gives slowly little is asked ahead, else all pieces come late together", () => {
  const pipeline = new PeerPipeline(0);
  expect(roomFor(pipeline, BLOCK, 0)).toBe(4);
  const nowMs = runSteady(pipeline, { perSecond: 2, delayMs: 10, seconds: 10 });
  expect(roomFor(pipeline, BLOCK, nowMs)).toBe(2);
});

test("the depth stays within its bounds", () => {
  const fast = new PeerPipeline(0);
  expect(fast.depth(runSteady(fast, { perSecond: 5_000, delayMs: 200, seconds: 3 }))).toBe(MAX_PIPELINE_DEPTH);
  const slow = new PeerPipeline(0);
  expect(slow.depth(runSteady(slow, { perSecond: 2, delayMs: 10, seconds: 10 }))).toBe(MEASURED_MIN_DEPTH);
});

test("a slow peer is asked after each answer, a fast one for several at once", () => {
  const open = (count: number): PeerPipeline => {
    const pipeline = new PeerPipeline(0);
    for (let index = 0; index < count; index++) pipeline.sent(request(index), 0);
    pipeline.room(0);
    return pipeline;
  };
  const slow = open(8);
  slow.arrived(0, 0, 1);
  expect(slow.isDue).toBe(true);
  const fast = open(160);
  for (let index = 0; index < 9; index++) fast.arrived(index, 0, 1);
  expect(fast.isDue).toBe(false);
  fast.arrived(9, 0, 1);
  expect(fast.isDue).toBe(true);
  fast.room(1);
  expect(fast.isDue).toBe(false);
});

/** Blocks of this length that may be asked for now. */
function roomFor(pipeline: PeerPipeline, lengthBytes: number, nowMs: number): number {
  const room = pipeline.room(nowMs);
  let count = 0;
  for (; room.isLeft; count++) room.take(lengthBytes);
  return count;
}

test("small files are asked for as long ahead as large ones", () => {
  const pipeline = new PeerPipeline(0);
  const nowMs = runSteady(pipeline, { perSecond: 400, delayMs: 200, seconds: 10, lengthBytes: 150 });
  expect(roomFor(pipeline, 150, nowMs)).toBeGreaterThanOrEqual(190);
  expect(roomFor(pipeline, 150, nowMs)).toBeLessThanOrEqual(210);
  expect(pipeline.queueMs(nowMs)).toBe(0);
  for (let index = 0; index < 200; index++) pipeline.sent({ piece: index, offset: 1, lengthBytes: 150 }, nowMs);
  expect(pipeline.queueMs(nowMs)).toBeGreaterThan(450);
  expect(pipeline.queueMs(nowMs)).toBeLessThan(550);
});

test("after many small files no more bytes of a large one are asked for than at the beginning", () => {
  const pipeline = new PeerPipeline(0);
  const nowMs = runSteady(pipeline, { perSecond: 400, delayMs: 200, seconds: 10, lengthBytes: 150 });
  expect(roomFor(pipeline, BLOCK, nowMs)).toBeLessThanOrEqual(MIN_PIPELINE_DEPTH);
});

test("what is open counts in bytes until it came, was forgotten or taken out", () => {
  const pipeline = new PeerPipeline(0);
  const before = roomFor(pipeline, BLOCK, 0);
  for (let index = 0; index < 3; index++) pipeline.sent(request(index), 0);
  pipeline.sent(request(2), 0);
  expect(roomFor(pipeline, BLOCK, 0)).toBe(before - 3);
  pipeline.forget(request(0));
  expect(roomFor(pipeline, BLOCK, 0)).toBe(before - 2);
  pipeline.takeAll();
  expect(roomFor(pipeline, BLOCK, 0)).toBe(before);
});

test("what a peer was asked for is expected when its rate lets it come, within limits", () => {
  const pipeline = new PeerPipeline(0);
  pipeline.sent(request(500), 0);
  expect(pipeline.queueMs(0)).toBe(0);
  pipeline.forget(request(500));
  const nowMs = runSteady(pipeline, { perSecond: 4, delayMs: 10, seconds: 10 });
  for (let index = 100; index < 108; index++) pipeline.sent(request(index), nowMs);
  expect(pipeline.queueMs(nowMs)).toBeGreaterThan(1_500);
  expect(pipeline.queueMs(nowMs)).toBeLessThan(2_500);
  expect(pipeline.queueMs(nowMs + 5_000)).toBe(10_000);
});

test("a silent peer loses all its requests and is tried with one, until it answers", () => {
  const pipeline = new PeerPipeline(0);
  for (let index = 0; index < 8; index++) pipeline.sent(request(index), 0);
  expect(pipeline.takeLate(SILENCE_MS)).toEqual([]);
  expect(pipeline.takeLate(SILENCE_MS + 1).length).toBe(8);
  expect(pipeline.depth(SILENCE_MS + 1)).toBe(1);
  pipeline.sent(request(9), SILENCE_MS + 2);
  expect(pipeline.room(SILENCE_MS + 2).isLeft).toBe(false);
  expect(pipeline.arrived(9, 0, SILENCE_MS + 20)).toEqual(request(9));
  expect(pipeline.depth(SILENCE_MS + 20)).toBeGreaterThanOrEqual(MEASURED_MIN_DEPTH);
});

test("a peer that was idle is not silent", () => {
  const pipeline = new PeerPipeline(0);
  pipeline.sent(request(1), 100_000);
  expect(pipeline.takeLate(100_001)).toEqual([]);
});

test("a single request that the peer passed over is taken back after a minute", () => {
  const pipeline = new PeerPipeline(0);
  pipeline.sent(request(0), 0);
  for (let index = 1; index < 100; index++) {
    pipeline.sent(request(index), index * 1000);
    pipeline.arrived(index, 0, index * 1000 + 10);
  }
  expect(pipeline.takeLate(REQUEST_TIMEOUT_MS)).toEqual([]);
  expect(pipeline.takeLate(99_100)).toEqual([request(0)]);
  expect(pipeline.isSnubbed).toBe(false);
});

test("a block that was not asked for, or twice, is not counted", () => {
  const pipeline = new PeerPipeline(0);
  pipeline.sent(request(1), 0);
  expect(pipeline.arrived(2, 0, 1)).toBeUndefined();
  expect(pipeline.arrived(1, 0, 1)).toEqual(request(1));
  expect(pipeline.arrived(1, 0, 1)).toBeUndefined();
  expect(pipeline.openCount).toBe(0);
});

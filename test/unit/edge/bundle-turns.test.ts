import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { BundleTurns } from "../../../src/edge/bundle-turns.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const GIB = 1024 ** 3;

/** Asks for turns and notes who has begun. */
function asking(
  bytes: readonly number[],
  signal = new AbortController().signal,
  clock = new ManualClock(),
): BundleTurns & { begun: number[] } {
  const turns = Object.assign(new BundleTurns(signal, clock), { begun: [] as number[] });
  for (const [bundle, missing] of bytes.entries())
    turns.take(bundle, missing).then(
      () => turns.begun.push(bundle),
      () => turns.begun.push(-1),
    );
  return turns;
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("a large bundle has the line to itself until less than 1 GiB of it is missing, then the next begins", async () => {
  const turns = asking([4 * GIB, 4 * GIB, 4 * GIB]);
  await settled();
  expect(turns.begun).toEqual([0]);
  turns.note(0, GIB);
  await settled();
  expect(turns.begun).toEqual([0]);
  turns.note(0, GIB - 1);
  await settled();
  expect(turns.begun).toEqual([0, 1]);
});

test("small bundles go together, in the order in which they came", async () => {
  const turns = asking([1_000, 2_000, GIB, 1_000]);
  await settled();
  expect(turns.begun).toEqual([0, 1, 2]);
});

test("a turn that ends lets the next begin, however much was missing", async () => {
  const turns = new BundleTurns(new AbortController().signal, new ManualClock());
  const first = await turns.take(1, 4 * GIB);
  let hasBegun = false;
  const second = turns.take(2, 1).then(() => (hasBegun = true));
  await settled();
  expect(hasBegun).toBe(false);
  first[Symbol.dispose]();
  await second;
  expect(hasBegun).toBe(true);
});

test("one of which nothing comes for 5 s, or next to nothing, lets the next begin, and counts again once it moves", async () => {
  const clock = new ManualClock();
  const turns = asking([4 * GIB, 4 * GIB, 4 * GIB], undefined, clock);
  clock.advance(4_000);
  turns.note(0, 4 * GIB - 16_384);
  clock.advance(900);
  await settled();
  expect(turns.begun).toEqual([0]);
  clock.advance(200);
  await settled();
  expect(turns.begun).toEqual([0, 1]);
  turns.note(0, 3 * GIB);
  turns.note(1, GIB - 1);
  await settled();
  expect(turns.begun).toEqual([0, 1]);
  turns.note(0, 0);
  await settled();
  expect(turns.begun).toEqual([0, 1, 2]);
});

test("nothing stays behind of who waited: no timer, no listener", async () => {
  const clock = new ManualClock();
  const end = new AbortController();
  const turns = new BundleTurns(end.signal, clock);
  const first = await turns.take(1, 4 * GIB);
  const second = turns.take(2, 1);
  expect([clock.timerCount, getEventListeners(end.signal, "abort").length]).toEqual([1, 1]);
  first[Symbol.dispose]();
  await second;
  expect([clock.timerCount, getEventListeners(end.signal, "abort").length]).toEqual([0, 0]);
});

test("who waits when all is given up is told, and leaves no timer", async () => {
  const clock = new ManualClock();
  const end = new AbortController();
  const turns = asking([4 * GIB, 1], end.signal, clock);
  await settled();
  end.abort(new Error("over"));
  await settled();
  expect([turns.begun, clock.timerCount]).toEqual([[0, -1], 0]);
  await expect(turns.take(3, 1)).rejects.toThrow("over");
});

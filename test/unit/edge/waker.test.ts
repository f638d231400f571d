import { expect, test } from "vitest";
import { Waker } from "../../../src/edge/waker.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** Lets everything run that needs no time to pass. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

function watched(promise: Promise<void>): { isDone: boolean } {
  const state = { isDone: false };
  void promise.then(() => (state.isDone = true));
  return state;
}

test("a sleep ends when its time is over, not before", async () => {
  const clock = new ManualClock();
  const sleep = watched(new Waker(clock).sleep(1_000));
  clock.advance(999);
  await settle();
  expect(sleep.isDone).toBe(false);
  clock.advance(1);
  await settle();
  expect(sleep.isDone).toBe(true);
});

test("a wake-up ends the sleep and leaves no timer", async () => {
  const clock = new ManualClock();
  const waker = new Waker(clock);
  const sleep = watched(waker.sleep(1_000));
  waker.wake();
  await settle();
  expect([sleep.isDone, clock.timerCount]).toEqual([true, 0]);
});

test("a wake-up while nobody sleeps ends the next sleep at once, and only that", async () => {
  const clock = new ManualClock();
  const waker = new Waker(clock);
  waker.wake();
  waker.wake();
  await waker.sleep(1_000);
  const second = watched(waker.sleep(1_000));
  await settle();
  expect(second.isDone).toBe(false);
});

test("a pause is not woken, but ends without an error and without a timer when the signal aborts", async () => {
  const clock = new ManualClock();
  const waker = new Waker(clock);
  const abort = new AbortController();
  const pause = watched(waker.pause(1_000, abort.signal));
  waker.wake();
  await settle();
  expect(pause.isDone).toBe(false);
  abort.abort();
  await settle();
  expect([pause.isDone, clock.timerCount]).toEqual([true, 0]);
  await waker.pause(1_000, abort.signal);
});

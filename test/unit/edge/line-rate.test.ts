import { expect, test } from "vitest";
import { LineRate } from "../../../src/edge/line-rate.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const MIB = 2 ** 20;

/** A line of which nothing comes by itself. */
function line() {
  const clock = new ManualClock();
  let received = 0;
  const rate = new LineRate(() => received, clock);
  /** So many bytes in so many tenths of a second, evenly. */
  const receive = (bytes: number, tenths: number): void => {
    for (let i = 0; i < tenths; i++) {
      received += Math.round(bytes / tenths);
      clock.advance(100);
    }
  };
  return { clock, rate, receive };
}

test("time without bytes does not count, within a fetch or between two", async () => {
  const { clock, rate, receive } = line();
  await rate.during(async () => {
    clock.advance(15_000);
    receive(MIB, 10);
    clock.advance(60_000);
  });
  clock.advance(600_000);
  await rate.during(async () => receive(MIB, 10));
  expect(rate.revise(undefined)).toBeCloseTo(MIB, -2);
  expect(clock.timerCount).toBe(0);
});

test("what comes outside a fetch does not count, and fetches at the same time count once", async () => {
  const { rate, receive } = line();
  receive(10 * MIB, 1);
  await Promise.all([
    rate.during(async () => receive(MIB, 5)),
    rate.during(async () => receive(MIB, 5)),
    expect(rate.during(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed"),
  ]);
  expect(rate.revise(undefined)).toBeCloseTo(2 * MIB, -2);
});

test("a short download raises a rate, and neither lowers nor begins one", async () => {
  const { rate, receive } = line();
  await rate.during(async () => receive(MIB / 8, 5));
  expect([undefined, 100, MIB].map((known) => rate.revise(known))).toEqual([
    undefined,
    expect.closeTo(MIB / 4, -2),
    MIB,
  ]);
});

test("a few bytes say nothing", async () => {
  const { rate, receive } = line();
  await rate.during(async () => receive(10_000, 1));
  expect(rate.revise(5)).toBe(5);
});

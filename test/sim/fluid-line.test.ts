import fc from "fast-check";
import { expect, test } from "vitest";
import { FluidLine } from "../../src/sim/fluid-line.ts";
import { VirtualClock } from "../../src/sim/virtual-clock.ts";

const OPEN = { weight: 1, capBytesPerSecond: Infinity };

interface Wanted {
  readonly atSeconds: number;
  readonly bytes: number;
}

/** When each transfer of one group was done, in seconds. */
async function endsOf(line: FluidLine, clock: VirtualClock, wanted: readonly Wanted[]): Promise<number[]> {
  const group = line.group(OPEN);
  const ends = wanted.map(() => NaN);
  wanted.forEach(({ atSeconds, bytes }, index) => {
    clock.schedule(atSeconds * 1000, () => group.start(bytes, () => (ends[index] = clock.passedSeconds)));
  });
  await clock.runUntil(() => !ends.includes(NaN), 1e7);
  return ends;
}

test("transfers share a line, and who is left has all of it", async () => {
  const clock = new VirtualClock();
  const ends = await endsOf(new FluidLine(clock, 100), clock, [
    { atSeconds: 0, bytes: 1_000 },
    { atSeconds: 2, bytes: 200 },
  ]);
  // Alone until 2 s, half of the line until the second is through at 6 s, alone again.
  expect(ends[1]).toBeCloseTo(6, 6);
  expect(ends[0]).toBeCloseTo(12, 6);
});

test("weights and caps: what one can't take the others have", async () => {
  const clock = new VirtualClock();
  const line = new FluidLine(clock, 100);
  const slow = line.group({ weight: 1, capBytesPerSecond: 10 });
  const heavy = line.group({ weight: 3, capBytesPerSecond: Infinity });
  const plain = line.group(OPEN);
  for (const group of [slow, heavy, plain]) group.start(1e6, () => undefined);
  expect([slow.rate, heavy.rate, plain.rate]).toEqual([10, 67.5, 22.5]);
  await clock.pass(10);
  expect(heavy.leftBytes).toBeCloseTo(1e6 - 675, 6);
  expect([slow.count, plain.leftOfEach().length]).toEqual([1, 1]);
});

test("a busy line carries its rate, whatever comes: the last is done when all bytes are through", async () => {
  const bytes = fc.integer({ min: 1, max: 1_000_000 });
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 30 }), async (sizes) => {
      const clock = new VirtualClock();
      const line = new FluidLine(clock, 1_000);
      const ends = await endsOf(
        line,
        clock,
        sizes.map((size) => ({ atSeconds: 0, bytes: size })),
      );
      const all = sizes.reduce((sum, size) => sum + size, 0);
      expect(Math.max(...ends)).toBeCloseTo(all / 1_000, 3);
      const order = sizes.map((_, index) => index).sort((a, b) => sizes[a]! - sizes[b]!);
      const inOrder = order.map((index) => ends[index]!);
      expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
    }),
  );
});

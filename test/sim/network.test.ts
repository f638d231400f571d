import fc from "fast-check";
import { expect, test } from "vitest";
import { Flow, type LinkSpeed, SimLink } from "../../src/sim/network.ts";
import { VirtualClock } from "../../src/sim/virtual-clock.ts";

const KIB = 1024;
/** Headers below the payload: 66 bytes of 1514. */
const FRAMING = 1514 / 1448;

function link(clock: VirtualClock, upBytesPerSecond: number, more: Partial<LinkSpeed> = {}): SimLink {
  return new SimLink(clock, { upBytesPerSecond, downBytesPerSecond: 1e9, delayMs: 10, ...more });
}

/** Sends `count` messages of 16 KiB over each flow. @returns when each flow was through, in seconds */
async function sendAll(clock: VirtualClock, flows: readonly Flow[], count: number): Promise<number[]> {
  const ends = flows.map(() => 0);
  flows.forEach((flow, index) => {
    for (let n = 0; n < count; n++) flow.send(16 * KIB, () => (ends[index] = clock.passedSeconds));
  });
  await clock.pass(600);
  return ends;
}

test("one flow has the whole line up, headers included, and the delay once", async () => {
  const clock = new VirtualClock();
  const from = link(clock, 100_000);
  const [end] = await sendAll(clock, [new Flow(from, link(clock, 1))], 100);
  expect(end).toBeCloseTo((1600 * KIB * FRAMING) / 100_000 + 0.02, 3);
  expect(from.sentBytes).toBe(1600 * KIB);
});

test("flows share a line up fairly", async () => {
  const clock = new VirtualClock();
  const from = link(clock, 100_000);
  const ends = await sendAll(
    clock,
    [1, 2, 3].map(() => new Flow(from, link(clock, 1))),
    50,
  );
  const last = (3 * 50 * 16 * KIB * FRAMING) / 100_000;
  for (const end of ends) expect(end).toBeGreaterThan(last * 0.97);
});

test("a flow that carries many small messages has its share of the line for blocks, too", async () => {
  const clock = new VirtualClock();
  const from = link(clock, 100_000);
  const flows = [1, 2, 3].map(() => new Flow(from, link(clock, 1)));
  const [busy] = flows;
  const have = (): void => {
    busy!.send(9, () => undefined, { isUrgent: true });
    if (clock.passedSeconds < 20) clock.schedule(100, have);
  };
  have();
  const ends = await sendAll(clock, flows, 50);
  for (const end of ends) expect(end).toBeGreaterThan(Math.max(...ends) * 0.95);
});

test("a line down is shared by its senders and holds back none of their other flows", async () => {
  const clock = new VirtualClock();
  const slow = link(clock, 1, { downBytesPerSecond: 50_000 });
  const sender = link(clock, 100_000);
  const ends = await sendAll(
    clock,
    [new Flow(sender, slow), new Flow(sender, link(clock, 1)), new Flow(link(clock, 100_000), slow)],
    20,
  );
  const toSlow = (2 * 20 * 16 * KIB * FRAMING) / 50_000;
  expect(Math.max(ends[0]!, ends[2]!)).toBeCloseTo(toSlow, 0);
  expect(ends[1]!).toBeLessThan(toSlow * 0.65);
});

test("messages of a flow arrive once and in order, whatever their sizes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 20 * KIB }), { minLength: 1, maxLength: 60 }),
      async (sizes) => {
        const clock = new VirtualClock();
        const flow = new Flow(link(clock, 1_000_000), link(clock, 1, { downBytesPerSecond: 300_000 }));
        const other = new Flow(link(clock, 1_000_000), link(clock, 1));
        const arrived: number[] = [];
        sizes.forEach((bytes, index) => {
          flow.send(bytes, () => arrived.push(index));
          other.send(bytes, () => undefined);
        });
        await clock.pass(60);
        expect(arrived).toEqual(sizes.map((_, index) => index));
        expect(flow.queuedBytes).toBe(0);
      },
    ),
    { numRuns: 30 },
  );
});

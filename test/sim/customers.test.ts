import { expect, test } from "vitest";
import { seededRandom } from "../../src/core/clock.ts";
import { leastExpectedWait } from "../../src/delivery/policies/least-expected-wait.ts";
import { roundRobin } from "../../src/delivery/policies/round-robin.ts";
import { type CustomerScenario, type PolicyChoice, runCustomers } from "../../src/sim/customer-scenario.ts";
import { drawFile, meanBytesOf, PAPER_MIX, poissonArrivals } from "../../src/sim/workload.ts";

const INFORMED: PolicyChoice = { kind: "policy", policy: leastExpectedWait, knowledge: "central", countsSync: true };
const LINES = [500_000, 1_000_000, 1_000_000, 2_000_000];

/** Four mirrors, asked for a share of what their lines take; the last two of them synchronise all the time if wanted. */
function scene(workload: number, change: Partial<CustomerScenario> = {}, isSyncing = false): CustomerScenario {
  const random = seededRandom(7);
  const perSecond = (workload * 4_500_000) / meanBytesOf(PAPER_MIX);
  return {
    seed: 1,
    mirrors: LINES.map((upBytesPerSecond, index) => ({
      upBytesPerSecond,
      syncs: isSyncing && index > 1 ? [{ startSeconds: 0, bytes: 1e12 }] : [],
    })),
    requests: poissonArrivals(random, perSecond, 5_000).map((atSeconds) => ({
      atSeconds,
      bytes: drawFile(PAPER_MIX, random).bytes,
      capBytesPerSecond: Infinity,
    })),
    choice: INFORMED,
    announceSeconds: 60,
    warmUpSeconds: 0,
    ...change,
  };
}

async function p95Of(played: CustomerScenario): Promise<number> {
  const { responseSeconds } = await runCustomers(played);
  return responseSeconds.toSorted()[Math.floor(0.95 * responseSeconds.length)]!;
}

test("every customer is served, no sooner than a line of its own allows, and the same seed gives the same run", async () => {
  const played = scene(0.5);
  const { responseSeconds, refusedCount, work } = await runCustomers(played);
  expect(refusedCount).toBe(0);
  played.requests.forEach(({ bytes }, index) => {
    expect(responseSeconds[index]).toBeGreaterThanOrEqual(bytes / 2_000_000);
  });
  const asked = played.requests.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(work.reduce((sum, { assignedBytes }) => sum + assignedBytes, 0)).toBe(asked);
  expect((await runCustomers(played)).responseSeconds).toEqual(responseSeconds);
});

test("what central knows comes close to an oracle; round robin and the last announces alone do not", async () => {
  const informed = await p95Of(scene(0.8));
  const oracle = await p95Of(scene(0.8, { choice: { kind: "oracle" } }));
  const turn = await p95Of(scene(0.8, { choice: { ...INFORMED, policy: roundRobin } }));
  const stale = await p95Of(scene(0.8, { choice: { ...INFORMED, knowledge: "announces" } }));
  expect(informed).toBeLessThan(1.15 * oracle);
  expect(turn).toBeGreaterThan(2 * informed);
  expect(stale).toBeGreaterThan(1.2 * informed);
});

test("with half of the lines synchronising, counting that helps customers", async () => {
  const counted = await p95Of(scene(0.2, {}, true));
  const blind = await p95Of(scene(0.2, { choice: { ...INFORMED, countsSync: false } }, true));
  expect(counted).toBeLessThan(0.9 * blind);
});

test("a mix has the shares of bytes that it was given, and its mean", () => {
  const random = seededRandom(3);
  const files = Array.from({ length: 200_000 }, () => drawFile(PAPER_MIX, random));
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const shareOf = (kind: string): number =>
    files.filter((file) => file.kind === kind).reduce((sum, file) => sum + file.bytes, 0) / bytes;
  expect(bytes / files.length / meanBytesOf(PAPER_MIX)).toBeCloseTo(1, 1);
  expect(shareOf("image")).toBeCloseTo(0.71, 1);
  expect(shareOf("package")).toBeCloseTo(0.23, 1);
});

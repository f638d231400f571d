import { expect, test } from "vitest";
import { BundleLayout } from "../../src/core/bundle-layout.ts";
import { bundlesOf } from "../../src/sim/fleet-holdings.ts";
import { type FleetScenario, runFleet } from "../../src/sim/fleet-scenario.ts";
import type { FleetVolunteerPlan } from "../../src/sim/fleet-volunteer.ts";
import type { FleetWorkload } from "../../src/sim/fleet-workload.ts";
import { PLACEMENT_NAMES, placementNamed } from "../../src/sim/named-placement.ts";
import { fullPlacement } from "../../src/sim/placement.ts";
import { DEFAULT_RELEASE_DAY, RELEASE_SECONDS, releaseDayWorkload } from "../../src/sim/release-day-workload.ts";
import { runScenario } from "../../src/sim/scenario.ts";

const SMALL = releaseDayWorkload({ ...DEFAULT_RELEASE_DAY, seed: 5, requests: 600, days: 2 });
const ASKED = SMALL.requests.reduce((sum, { file }) => sum + SMALL.files[file]!.bytes, 0);

function mirrors(count: number, change: Partial<FleetVolunteerPlan> = {}): FleetVolunteerPlan[] {
  return Array.from({ length: count }, () => ({
    upBytesPerSecond: 5e6,
    downBytesPerSecond: 2e7,
    sessions: [{ fromSeconds: 0, toSeconds: Infinity }],
    placement: fullPlacement,
    isFilled: true,
    ...change,
  }));
}

function scene(change: Partial<FleetScenario> = {}): FleetScenario {
  return {
    seed: 3,
    workload: SMALL,
    originBytesPerSecond: 1.25e8,
    volunteers: mirrors(8),
    policy: "near",
    announceSeconds: 60,
    binSeconds: 600,
    ...change,
  };
}

test("every customer gets every byte, no sooner than its own line allows; the same seed gives the same run", async () => {
  const outcome = await runFleet(scene());
  SMALL.requests.forEach(({ file, downBytesPerSecond }, at) => {
    expect(outcome.waitSeconds[at]).toBeGreaterThanOrEqual(SMALL.files[file]!.bytes / downBytesPerSecond);
  });
  expect((outcome.originCustomerBytes + outcome.volunteerCustomerBytes) / ASKED).toBeCloseTo(1, 6);
  expect(outcome.volunteerCustomerBytes / ASKED).toBeGreaterThan(0.8);
  expect((await runFleet(scene())).waitSeconds).toEqual(outcome.waitSeconds);
});

test("a release leaves central about once, however many volunteers take it; with rsync once each", async () => {
  const fresh = SMALL.files.reduce((sum, { bytes, release }) => sum + (release === 1 ? bytes : 0), 0);
  const swarm = await runFleet(scene());
  expect(swarm.originSyncBytes / fresh).toBeCloseTo(1, 2);
  expect(swarm.releases[1]!.completeSeconds).toBeLessThan(3 * 3_600);
  const rsync = { secondOfDay: 40_000, walkSeconds: 1_800 };
  const beside = await runFleet(scene({ volunteers: mirrors(8, { rsync }), policy: "weights" }));
  expect(beside.originSyncBytes / fresh).toBeCloseTo(8, 2);
});

test("customers get files of a release from volunteers once their bundle is there, from central before", async () => {
  const ask = (atSeconds: number): FleetWorkload["requests"] =>
    [0, 1, 2, 3].map((file) => ({ atSeconds, file, site: undefined, downBytesPerSecond: 1e6 }));
  const files = [2e9, 2e9, 2e9, 2e9].map((bytes) => ({ bytes, kind: "image", release: 1 }));
  expect(bundlesOf(files)).toEqual([1, 1, 2, 2]);
  const play = async (atSeconds: number): ReturnType<typeof runFleet> => {
    const workload = { files, publishedSeconds: [0, 1_000], requests: ask(atSeconds), horizonSeconds: 5_000 };
    return await runFleet(scene({ workload, volunteers: mirrors(2), originBytesPerSecond: 5e7, stepSeconds: 1 }));
  };
  const after = await play(4_000);
  expect(after.volunteerCustomerBytes).toBe(8e9);
  const { completeSeconds = NaN } = after.releases[1]!;
  const byVolunteers = async (share: number): Promise<number> =>
    (await play(1_000 + share * completeSeconds)).volunteerCustomerBytes;
  expect([await byVolunteers(0.2), await byVolunteers(0.8)]).toEqual([0, 4e9]);
});

test("volunteers that vanish cost customers another try, not their download", async () => {
  const sessions = [{ fromSeconds: 0, toSeconds: RELEASE_SECONDS + 3_600 }];
  const volunteers = [...mirrors(6, { sessions }), ...mirrors(2)];
  const busy = releaseDayWorkload({ ...DEFAULT_RELEASE_DAY, seed: 5, requests: 2_400, days: 2 });
  const workload = { ...busy, requests: busy.requests.map((one) => ({ ...one, downBytesPerSecond: 50_000 })) };
  const outcome = await runFleet(scene({ volunteers, workload }));
  expect(outcome.refusedConnections).toBeGreaterThan(0);
  expect(outcome.interruptions).toBeGreaterThan(0);
  expect(outcome.waitSeconds.every((seconds) => seconds > 0)).toBe(true);
  const asked = busy.requests.reduce((sum, { file }) => sum + busy.files[file]!.bytes, 0);
  expect((outcome.originCustomerBytes + outcome.volunteerCustomerBytes) / asked).toBeCloseTo(1, 6);
});

test("placements keep to the quota, and to what is published", () => {
  const requestCounts = new Uint32Array(SMALL.files.length);
  requestCounts[7] = 5;
  for (const name of PLACEMENT_NAMES) {
    const placed = placementNamed(name, 3e9, 1)({ files: SMALL.files, releases: 2, requestCounts });
    const bytes = placed.reduce((sum, file) => sum + SMALL.files[file]!.bytes, 0);
    expect(bytes).toBeLessThanOrEqual(name === "all" ? Infinity : 3e9);
    expect(new Set(placed).size).toBe(placed.length);
    const before = placementNamed(name, 3e9, 1)({ files: SMALL.files, releases: 1, requestCounts });
    expect(before.filter((file) => SMALL.files[file]!.release > 0)).toEqual([]);
  }
  const view = { files: SMALL.files, releases: 2, requestCounts };
  expect(placementNamed("popular", 3e9, 1)(view)[0]).toBe(7);
  expect(placementNamed("newest-only", 3e9, 1)(view).every((file) => SMALL.files[file]!.release === 1)).toBe(true);
});

test("what is assigned is the newest release, different parts of it where it does not fit, and older files where it does", () => {
  const view = { files: SMALL.files, releases: 2, requestCounts: new Uint32Array(SMALL.files.length) };
  const freshBytes = bytesOf([...SMALL.files.keys()].filter((file) => SMALL.files[file]!.release === 1));
  const parts = [1, 2, 3].map((seed) => placementNamed("assigned", freshBytes / 4, seed)(view));
  for (const part of parts) {
    expect(part.every((file) => SMALL.files[file]!.release === 1)).toBe(true);
    expect(bytesOf(part)).toBeGreaterThan(freshBytes / 8);
  }
  expect(bytesOf([...new Set(parts.flat())])).toBeGreaterThan(1.5 * Math.max(...parts.map(bytesOf)));
  const more = placementNamed("assigned", 1.5 * freshBytes, 1)(view);
  expect(bytesOf(more.filter((file) => SMALL.files[file]!.release === 1))).toBe(freshBytes);
  expect(bytesOf(more)).toBeGreaterThan(1.1 * freshBytes);
  expect(bytesOf(more)).toBeLessThanOrEqual(1.5 * freshBytes);

  function bytesOf(files: readonly number[]): number {
    return files.reduce((sum, file) => sum + SMALL.files[file]!.bytes, 0);
  }
});

test("the fluid swarm takes as long as the real one on the same lines", async () => {
  const [down, up, count, bytes] = [2_500_000, 625_000, 12, 32 * 2 ** 20];
  const real = await runScenario({
    seed: 1,
    layout: new BundleLayout([bytes], 2 ** 17),
    origin: { upBytesPerSecond: down, downBytesPerSecond: down, delayMs: 5 },
    volunteers: Array.from({ length: count }, () => ({
      speed: { upBytesPerSecond: up, downBytesPerSecond: down, delayMs: 5 },
    })),
  });
  const workload: FleetWorkload = {
    files: Array.from({ length: 64 }, () => ({ bytes: bytes / 64, kind: "package", release: 1 })),
    publishedSeconds: [0, 1_000],
    requests: [],
    horizonSeconds: 5_000,
  };
  const volunteers = mirrors(count, { upBytesPerSecond: up, downBytesPerSecond: down });
  const { releases } = await runFleet(scene({ workload, volunteers, originBytesPerSecond: down, stepSeconds: 0.5 }));
  const ratio = releases[1]!.completeSeconds! / real.seconds;
  expect(ratio).toBeGreaterThan(0.85);
  expect(ratio).toBeLessThan(1.2);
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { curvesSvg } from "../../../src/report/curves-svg.ts";
import { simulateRelease, simulateSteadyState, subnetsFrom } from "../../../bench/support/matching-simulation.ts";
import { cacheFindings } from "../../../bench/support/planet-caches.ts";
import { check } from "../../../bench/support/planet-check.ts";
import { countChecks } from "../../../bench/support/planet-counts.ts";
import { adjustedRandIndex } from "../../../bench/support/planted-requests.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { remoteDownloads, steadyRemoteDownloads } from "../../../src/model/locality.ts";
import { QueryTime, WINDOWS_UPDATE_POLLING } from "../../../src/model/polling.ts";
import { SubnetSizes } from "../../../src/model/subnet-sizes.ts";

const queries = new QueryTime(WINDOWS_UPDATE_POLLING);
const row = { row: "B1.1", what: "a value" };
const differs = { verdict: "differs", why: "because" } as const;

test("a verdict comes from the numbers, and what is not explained says so", () => {
  expect(check({ ...row, paper: 5, closed: 5.04, simulated: 4.96, tolerance: 0.05, noise: 0.02 }).verdict).toBe(
    "agree",
  );
  expect(check({ ...row, paper: 5, closed: 5.1, tolerance: 0.05 }).verdict).toBe("unexplained");
  expect(check({ ...row, paper: 5, closed: 5.1, tolerance: 0.05, otherwise: differs }).verdict).toBe("differs");
  // An expected departure that does not show is as wrong as one that nobody expected.
  expect(check({ ...row, paper: 5, closed: 5, otherwise: differs }).verdict).toBe("unexplained");
  expect(check({ ...row, paper: 5, closed: 5, simulated: 6, tolerance: 2, noise: 0.1 }).verdict).toBe("unexplained");
  expect(check({ ...row, paper: "less than 5", simulated: 4, holds: true }).verdict).toBe("agree");
  expect(check({ ...row, paper: "less than 5", simulated: 6, holds: false }).verdict).toBe("unexplained");
});

test("the simulated hosts download from other subnets as theorem 1 and footnote 10 say, and as often as they upload", () => {
  const subnets = Array.from({ length: 60 }, () => 500);
  const options = { subnets, staySeconds: 60, prefersLocal: true, random: seededRandom(1) };
  const expected = [
    remoteDownloads(500, { queries, stay: { kind: "fixed", meanSeconds: 60 } }),
    steadyRemoteDownloads(500, 60 * queries.peakRatePerSecond),
  ];
  const runs = [simulateRelease(options, queries), simulateSteadyState(options, queries.peakRatePerSecond)];
  runs.forEach(({ downloads, uploads, fromServer }, i) => {
    const [down, up] = [downloads, uploads].map((counts) => counts.reduce((sum, count) => sum + count, 0)) as [
      number,
      number,
    ];
    expect(down / 60 / expected[i]!).toBeGreaterThan(0.97);
    expect(down / 60 / expected[i]!).toBeLessThan(1.03);
    expect(down).toBe(up + fromServer);
  });
});

test("subnets made of a distribution have it", () => {
  const sizes = SubnetSizes.ofSubnets([1, 1, 1, 10, 10, 100]);
  const made = SubnetSizes.ofSubnets(subnetsFrom(sizes, 1_000_000));
  for (const { hosts, share } of sizes.shares) {
    expect(made.shares.find((size) => size.hosts === hosts)!.share).toBeCloseTo(share, 3);
  }
});

test("misprints of table 3 and of the text come out as such, the other rows agree", () => {
  const checks = [...cacheFindings(1).checks, ...countChecks()];
  const misprints = checks.filter(({ verdict }) => verdict === "misprint").map(({ what }) => what);
  expect(checks.filter(({ verdict }) => verdict === "unexplained")).toEqual([]);
  expect(misprints.map((what) => what.split(" ").slice(0, 3).join(" "))).toEqual([
    "> 50: α",
    "users per address",
    "finding (e): caches",
    "new addresses: first",
    "MB of all",
    "section 4.3: a",
  ]);
});

test("the adjusted Rand index is 1 for the same partition under other names, about 0 by chance", () => {
  expect(adjustedRandIndex([0, 0, 1, 1, 2], [7, 7, 3, 3, 9])).toBe(1);
  const random = seededRandom(2);
  const draw = (): number[] => Array.from({ length: 2000 }, () => Math.floor(5 * random()));
  expect(Math.abs(adjustedRandIndex(draw(), draw()))).toBeLessThan(0.01);
});

test("plots show numbers only, and nothing at 0 on a logarithmic axis", () => {
  const axis = { title: "x < y", isLogarithmic: true };
  const curves = [
    {
      name: "one",
      colour: "#000",
      style: "line" as const,
      points: [
        [1, 0],
        [2, 3],
        [4, 9],
      ] as const,
    },
  ];
  const svg = curvesSvg("plots", [{ title: "plot", x: axis, y: axis, curves }]);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toContain("x &lt; y");
});

test("the committed result has no row without a verdict that is explained", () => {
  const file = join(import.meta.dirname, "../../../bench/results/papers.json");
  const { rows } = JSON.parse(readFileSync(file, "utf8")) as { rows: { row: string; verdict: string; why: string }[] };
  expect(rows.length).toBeGreaterThan(100);
  expect(rows.filter(({ verdict }) => !["agree", "differs", "misprint"].includes(verdict))).toEqual([]);
  expect(rows.filter(({ verdict, why }) => verdict !== "agree" && why === "")).toEqual([]);
});

import { seededRandom } from "../../src/core/clock.ts";
import * as locality from "../../src/model/locality.ts";
import type { Stay } from "../../src/model/online-hosts.ts";
import { QueryTime, WINDOWS_UPDATE_POLLING } from "../../src/model/polling.ts";
import { SubnetSizes } from "../../src/model/subnet-sizes.ts";
import { crosses, line, type Axis, type CurvePlot } from "../../src/report/curves-svg.ts";
import { simulateRelease, simulateSteadyState, subnetsFrom, type Matching } from "./matching-simulation.ts";
import { check, type Check, type Findings } from "./planet-check.ts";
import { deviations, powerOf } from "./planet-statistics.ts";
import { boundWhere, fitOf } from "./planet-subnet-sizes.ts";

// Rows B1.4 to B1.12, figures 14 and 15 of Planet Scale Software Updates.

const QUERIES = new QueryTime(WINDOWS_UPDATE_POLLING);
const STAY: Stay = { kind: "fixed", meanSeconds: 60 };
const SITUATION: locality.LocalitySituation = { queries: QUERIES, stay: STAY };
const RHO = STAY.meanSeconds * QUERIES.peakRatePerSecond;
/** Section 5.3.2: "experimentally we find R∞ ≈ 0.015". */
const PAPER_SHARE = 0.015;

const HOSTS = 5_000_000;
/** Sizes at which figure 15 is read. They change ν, so that this population is one of its own. */
const PROBES = [10, 30, 100, 300, 500, 1000, 1280, 2000, 3000, 4000, 5000, 5650, 6500, 8000, 10_000, 20_000, 50_000];
/** Around the break-even: too few hosts to change ν much. */
const NEAR_BREAK_EVEN = [3000, 4000, 4700, 5300, 6000, 8000];
const PROBE_SUBNETS = 24;
/** Small subnets are more, to have as many downloads. */
const PROBE_HOSTS = 10_000;

/** All of locality. @param seed of the simulations */
export function localityFindings(seed: number): Findings {
  const random = seededRandom(seed);
  const standFor = (uploadShare: number): SubnetSizes => fitOf("/16", [{ rho: RHO, uploadShare }]);
  // Two populations with the paper's R∞, since it is one thing after a release and another in the steady state.
  const released = populationWhere(standFor, (sizes) => locality.remoteUploadShare(sizes, SITUATION));
  const steadied = populationWhere(standFor, (sizes) => locality.steadyRemoteUploadShare(sizes, RHO));
  const options = { staySeconds: STAY.meanSeconds, prefersLocal: true, random };
  const run = (subnets: readonly number[]): Matching => simulateRelease({ ...options, subnets }, QUERIES);
  const release = bySize(released, run(released));
  const steady = bySize(steadied, simulateSteadyState({ ...options, subnets: steadied }, QUERIES.peakRatePerSecond));
  const anywhere = simulateRelease({ ...options, subnets: released, prefersLocal: false }, QUERIES);
  const probed = [...subnetsFrom(standFor(0.013), HOSTS / 5), ...probesOf(PROBES)];
  const figure15 = bySize(probed, run(probed));
  const world = {
    sizes: SubnetSizes.ofSubnets(released),
    steadySizes: SubnetSizes.ofSubnets(steadied),
    release,
    steady,
    figure15,
  };
  return {
    checks: [
      ...downloadChecks(world),
      ...uploadChecks(world),
      ...breakEvenChecks(world),
      ...randomMatchingChecks(released, anywhere),
    ],
    plots: [...figure15Plots(figure15, SubnetSizes.ofSubnets(probed)), figure14(released, anywhere)],
  };
}

/** Subnets with table 4's shape, and those near the break-even, so that together they have the paper's R∞. */
function populationWhere(
  standFor: (bound: number) => SubnetSizes,
  shareOf: (sizes: SubnetSizes) => number,
): readonly number[] {
  const populationFor = (bound: number): number[] => [
    ...subnetsFrom(standFor(bound), HOSTS),
    ...probesOf(NEAR_BREAK_EVEN),
  ];
  return populationFor(boundWhere(PAPER_SHARE, (bound) => shareOf(SubnetSizes.ofSubnets(populationFor(bound)))));
}

function probesOf(sizes: readonly number[]): number[] {
  return sizes.flatMap((hosts) => Array.from({ length: Math.max(PROBE_SUBNETS, PROBE_HOSTS / hosts) }, () => hosts));
}

interface SizeTraffic {
  readonly hosts: number;
  readonly subnets: number;
  /** Mean of a subnet. */
  readonly downloads: number;
  readonly uploads: number;
}

interface World {
  /** Of the population after a release. */
  readonly sizes: SubnetSizes;
  readonly steadySizes: SubnetSizes;
  readonly release: ReadonlyMap<number, SizeTraffic>;
  readonly steady: ReadonlyMap<number, SizeTraffic>;
  /** Another population, with all sizes of figure 15. */
  readonly figure15: ReadonlyMap<number, SizeTraffic>;
}

function downloadChecks({ figure15, steady }: World): Check[] {
  const simulated = (hosts: number): number => figure15.get(hosts)!.downloads;
  const theorem1 = [10, 100, 500, 1000, 2000, 3000, 5000, 10_000, 50_000].map((hosts) => {
    const closed = locality.remoteDownloads(hosts, SITUATION);
    const noise = deviations(3, closed * figure15.get(hosts)!.subnets);
    const what = `downloads into a subnet of ${hosts}`;
    const [paper, holds] = ["less than about 500", closed < 500 && simulated(hosts) < 500];
    return check({ row: "B1.4", what, paper, holds, closed, simulated: simulated(hosts), noise });
  });
  const ratios = PROBES.map((n) => locality.remoteDownloadsBound(n, RHO) / locality.remoteDownloads(n, SITUATION));
  const top = locality.steadyMaximum(RHO);
  const peak = Math.max(...PROBES.map((hosts) => locality.remoteDownloads(hosts, SITUATION)));
  return [
    ...theorem1,
    check({
      row: "B1.4",
      what: `theorem 1's words: downloads "from a remote subnet j", 1280 hosts`,
      paper: simulated(1280),
      simulated: figure15.get(1280)!.uploads,
      otherwise: {
        verdict: "misprint",
        why: "the theorem counts downloads into j from others (paper's column: simulated into j; simulated: out of j)",
      },
    }),
    check({
      row: "B1.5",
      what: "corollary 1 is a lower bound: largest share of theorem 1",
      paper: "≤ 1",
      closed: Math.max(...ratios),
      holds: ratios.every((ratio) => ratio <= 1 + 1e-12),
      note: `${ratios[PROBES.indexOf(1000)]!.toFixed(3)} at 1,000 hosts, ${ratios[PROBES.indexOf(10_000)]!.toFixed(3)} at 10,000: few ask in the last four hours`,
    }),
    check({
      row: "B1.6",
      what: "largest number of downloads, 1/(ρ e)",
      paper: 442,
      closed: top.downloads,
      tolerance: 0.6,
      note: `the bound N(1−ρ)^(N−1) has ${locality.remoteDownloadsBound(1200, RHO).toFixed(2)} at 1,200 hosts, which is the printed 442`,
    }),
    check({
      row: "B1.6",
      what: "largest number of downloads after a release, 1,280 hosts",
      paper: 442,
      closed: peak,
      simulated: simulated(1280),
      tolerance: 0.6,
      noise: deviations(3, peak * figure15.get(1280)!.subnets),
      otherwise: {
        verdict: "differs",
        why: "442 is the steady state's; eq. 4 has its last four hours with fewer queries, theorem 1 gives 461.8 near 1,280",
      },
    }),
    ...[3000, 4700, 8000].map((hosts) => {
      const closed = locality.steadyRemoteDownloads(hosts, RHO);
      const noise = deviations(3, closed * steady.get(hosts)!.subnets);
      const what = `steady state, downloads into ${hosts} per polling interval`;
      return check({
        row: "B1.7",
        what,
        paper: closed,
        closed,
        simulated: steady.get(hosts)!.downloads,
        noise,
        tolerance: closed * noise,
      });
    }),
  ];
}

function uploadChecks({ sizes, steadySizes, release, steady }: World): Check[] {
  const uploads = uploadShareOf(release);
  const shares = new Set([60, 6 * 3600, 18 * 3600, 22 * 3600]);
  const isBound = [...shares].every(
    (t) =>
      locality.remoteUploadShareBound(sizes, RHO, QUERIES.share(t)) <= locality.remoteUploadShare(sizes, SITUATION, t),
  );
  const five = SubnetSizes.ofSubnets([5000]);
  const eighteen = 18 * 3600;
  const printed = locality.printedCorollary2(five, SITUATION, eighteen);
  const proper = locality.remoteUploadShare(five, SITUATION, eighteen);
  return [
    check({
      row: "B1.9",
      what: "theorem 2: uploads out of a subnet per host, after a release",
      paper: PAPER_SHARE,
      closed: locality.remoteUploadShare(sizes, SITUATION),
      simulated: uploads,
      tolerance: 0.0004,
      noise: 0.02,
      note: "about 1.5 % of random matching, where every host uploads once; ν is a stand-in with table 4's values",
    }),
    check({
      row: "B1.9",
      what: "the same in the steady state (footnote 10)",
      paper: PAPER_SHARE,
      closed: locality.steadyRemoteUploadShare(steadySizes, RHO),
      simulated: uploadShareOf(steady),
      tolerance: 0.0004,
      noise: 0.02,
    }),
    check({
      row: "B1.10",
      what: "eq. 3 is a lower bound of theorem 2: share of it, t → ∞",
      paper: "≤ 1",
      closed: locality.remoteUploadShareBound(sizes, RHO) / locality.remoteUploadShare(sizes, SITUATION),
      holds: isBound,
    }),
    check({
      row: "B1.10",
      what: "corollary 2 is a lower bound: its right side, 5,000 hosts, 18 h",
      paper: `≤ ${proper.toFixed(4)}`,
      closed: printed,
      holds: printed <= proper,
      otherwise: {
        verdict: "misprint",
        why: "the mean over T₁ ~ A times A(t) is not the integral until t; eq. 3, which is said to follow, follows from theorem 2",
      },
    }),
    check({
      row: "B1.12",
      what: "improvement over random matching, 1/R∞",
      paper: "almost two orders of magnitude",
      closed: 1 / locality.remoteUploadShare(sizes, SITUATION),
      simulated: 1 / uploads,
      noise: 0.02,
      holds: uploads > 0.01 && uploads < 0.03,
      note: "1/0.015 = 66.7",
    }),
  ];
}

function breakEvenChecks({ sizes, steadySizes, release, steady }: World): Check[] {
  const steadyShare = locality.steadyRemoteUploadShare(steadySizes, RHO);
  const releaseShare = locality.remoteUploadShare(sizes, SITUATION);
  return [
    check({
      row: "B1.11",
      what: "hosts at which uploads reach downloads, R∞ = 0.015",
      paper: 5040,
      closed: locality.steadyBreakEvenHosts(PAPER_SHARE, RHO),
      tolerance: 0.5,
    }),
    check({
      row: "B1.11",
      what: `the same, steady state of the population (R∞ = ${steadyShare.toFixed(4)})`,
      paper: 5040,
      closed: locality.steadyBreakEvenHosts(steadyShare, RHO),
      simulated: crossing(steady),
      tolerance: 0.03 * 5040,
      noise: 0.02,
    }),
    check({
      row: "B1.11",
      what: `the same, after a release (R∞ = ${releaseShare.toFixed(4)})`,
      paper: 5040,
      closed: locality.breakEvenHosts(releaseShare, SITUATION),
      simulated: crossing(release),
      tolerance: 0.03 * 5040,
      noise: 0.02,
      otherwise: {
        verdict: "differs",
        why: "ln(1/R)/ρ is the steady state's; after a release eq. 4's last hours give large subnets more downloads",
      },
    }),
    check({
      row: "B1.8",
      what: "ν sums to 1, N·E[1/S] counts the subnets: simulated population",
      paper: [...release.values()].reduce((sum, { subnets }) => sum + subnets, 0),
      closed: sizes.subnetsOf([...release.values()].reduce((sum, { hosts, subnets }) => sum + hosts * subnets, 0)),
      tolerance: 0.01,
      note: `shares sum to ${sizes.mean(() => 1).toFixed(9)}`,
    }),
  ];
}

function randomMatchingChecks(subnets: readonly number[], anywhere: Matching): Check[] {
  const hosts = anywhere.queries;
  const large = [...bySize(subnets, anywhere).values()].filter((size) => size.hosts >= 1000);
  const crossings = anywhere.downloads.reduce((sum, count) => sum + count, 0) * 2 - anywhere.fromServer;
  const expected = 2 * (1 - SubnetSizes.ofSubnets(subnets).mean((size) => size / hosts));
  const worst = Math.max(...large.map((size) => Math.abs(size.downloads / size.hosts - (1 - size.hosts / hosts))));
  return [
    check({
      row: "B3 Fig 14",
      what: "uploads over downloads of subnets, slope in logarithms",
      paper: 1,
      simulated: powerOf(large.map((size) => [size.downloads, size.uploads])),
      tolerance: 0.01,
    }),
    check({
      row: "B3 Fig 14",
      what: "downloads over hosts, slope in logarithms",
      paper: 1,
      simulated: powerOf(large.map((size) => [size.hosts, size.downloads])),
      tolerance: 0.01,
      note: `downloads per host leave 1 − N/all by ${worst.toFixed(4)} at most`,
    }),
    check({
      row: "B3 Fig 14",
      what: "traffic between subnets over that of client and server",
      paper: 2,
      closed: expected,
      simulated: crossings / hosts,
      tolerance: 0.02,
      noise: 0.002,
    }),
  ];
}

function figure15Plots(traffic: ReadonlyMap<number, SizeTraffic>, sizes: SubnetSizes): CurvePlot[] {
  const share = locality.remoteUploadShare(sizes, SITUATION);
  const probes = PROBES.map((hosts) => traffic.get(hosts)!);
  const grid = Array.from({ length: 90 }, (_, i) => 10 * 10 ** (i / 24));
  const plot = (title: string, y: Axis, f: (hosts: number) => number, g: (size: SizeTraffic) => number): CurvePlot => ({
    title,
    x: { title: "hosts of the subnet", isLogarithmic: true },
    y,
    curves: [
      line(
        "theorems 1 and 2",
        "#c0392b",
        grid.map((hosts) => [hosts, f(hosts)]),
      ),
      crosses(
        "simulated, mean of the subnets of a size",
        "#3b6ea5",
        probes.map((size) => [size.hosts, g(size)]),
      ),
    ],
  });
  const downloads = (hosts: number): number => locality.remoteDownloads(hosts, SITUATION);
  return [
    plot(
      "Fig 15a: downloads from others",
      { title: "downloads", isLogarithmic: true },
      downloads,
      (size) => size.downloads,
    ),
    plot(
      "Fig 15b: per host",
      { title: "downloads / hosts", isLogarithmic: true },
      (n) => downloads(n) / n,
      (size) => size.downloads / size.hosts,
    ),
    plot(
      "Fig 15c: uploads to others, per host",
      { title: "uploads / hosts", isLogarithmic: false },
      () => share,
      (size) => size.uploads / size.hosts,
    ),
    plot(
      "Fig 15d: uploads over downloads",
      { title: "ratio", isLogarithmic: true },
      (n) => (share * n) / downloads(n),
      (size) => size.uploads / size.downloads,
    ),
  ];
}

function figure14(subnets: readonly number[], anywhere: Matching): CurvePlot {
  const sizes = [...bySize(subnets, anywhere).values()];
  return {
    title: "Fig 14: random matching",
    x: { title: "downloads from other subnets", isLogarithmic: true },
    y: { title: "uploads to them", isLogarithmic: true },
    curves: [
      line("slope 1", "#c0392b", [
        [1, 1],
        [60_000, 60_000],
      ]),
      crosses(
        "simulated, by size",
        "#3b6ea5",
        sizes.map((size) => [size.downloads, size.uploads]),
      ),
    ],
  };
}

function bySize(subnets: readonly number[], { downloads, uploads }: Matching): Map<number, SizeTraffic> {
  const traffic = new Map<number, { hosts: number; subnets: number; downloads: number; uploads: number }>();
  subnets.forEach((hosts, subnet) => {
    const sum = traffic.get(hosts) ?? { hosts, subnets: 0, downloads: 0, uploads: 0 };
    sum.subnets++;
    sum.downloads += downloads[subnet]!;
    sum.uploads += uploads[subnet]!;
    traffic.set(hosts, sum);
  });
  for (const sum of traffic.values()) {
    sum.downloads /= sum.subnets;
    sum.uploads /= sum.subnets;
  }
  return new Map([...traffic].sort(([a], [b]) => a - b));
}

function uploadShareOf(traffic: ReadonlyMap<number, SizeTraffic>): number {
  let [uploads, hosts] = [0, 0];
  for (const size of traffic.values()) {
    uploads += size.uploads * size.subnets;
    hosts += size.hosts * size.subnets;
  }
  return uploads / hosts;
}

/** Where uploads over downloads cross 1: between the two sizes on either side, straight in the logarithm. */
function crossing(traffic: ReadonlyMap<number, SizeTraffic>): number {
  const points = NEAR_BREAK_EVEN.map((hosts) => {
    const { uploads, downloads } = traffic.get(hosts)!;
    return { hosts, excess: Math.log(uploads / downloads) };
  });
  const above = points.findIndex(({ excess }) => excess > 0);
  const [low, high] = [points[above - 1]!, points[above]!];
  return low.hosts - (low.excess * (high.hosts - low.hosts)) / (high.excess - low.excess);
}

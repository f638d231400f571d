import { seededRandom, type Random } from "../../src/core/clock.ts";
import { cacheSavedShare, cacheSavings, serverDownloads, type SubnetDemand } from "../../src/model/cache-savings.ts";
import { crosses, line, type CurvePlot } from "../../src/report/curves-svg.ts";
import { exponential } from "./matching-simulation.ts";
import { check, type Check, type Findings } from "./planet-check.ts";
import { powerOf } from "./planet-statistics.ts";

// Rows B1.1, tables 1 and 3, figure 12 of Planet Scale Software Updates: what web caches would have saved.

interface CacheRow {
  readonly threshold: number;
  readonly caches: number;
  readonly users: number;
  readonly coveredShare: number;
  readonly meanPerCache: number;
  readonly savedPercent: number;
}

/** Table 3: addresses with more than `threshold` requests, as printed. */
const TABLE_3: readonly CacheRow[] = [
  { threshold: 2, caches: 25_351_342, users: 186_766_792, coveredShare: 0.62, meanPerCache: 7.37, savedPercent: 53.58 },
  { threshold: 5, caches: 5_504_963, users: 115_942_495, coveredShare: 0.38, meanPerCache: 21.06, savedPercent: 36.2 },
  { threshold: 10, caches: 1_718_094, users: 88_419_310, coveredShare: 0.29, meanPerCache: 51.46, savedPercent: 28.44 },
  { threshold: 25, caches: 656_903, users: 69_701_692, coveredShare: 0.23, meanPerCache: 106.11, savedPercent: 22.78 },
  { threshold: 50, caches: 209_765, users: 59_933_202, coveredShare: 0.2, meanPerCache: 285.72, savedPercent: 19.92 },
];
/** All printed μ round from one total only if it lies between 301.1 and 303.7 million. */
const ALL_USERS = 302e6;
/** Section 5.1: "a few as large as 240K machines". */
const MOST_PER_ADDRESS = 240_000;
/** Table 1: GB of the four largest updates and their share of all. */
const TABLE_1 = [
  { gigabytes: 535.5, percent: 9.8 },
  { gigabytes: 344.8, percent: 6.3 },
  { gigabytes: 246.4, percent: 4.5 },
  { gigabytes: 96.0, percent: 1.8 },
];
/** Addresses of the simulated population for each of the paper's. */
const SCALE = 100;

/** All about caches. */
export function cacheFindings(seed: number): Findings {
  const random = seededRandom(seed);
  const addresses = addressPopulation(random);
  return {
    checks: [...identityChecks(random), ...table3Checks(addresses), ...tailChecks(addresses), table1Check()],
    plots: [figure12(addresses)],
  };
}

function identityChecks(random: Random): Check[] {
  let worst = 0;
  for (let run = 0; run < 1000; run++) {
    const subnets = Array.from({ length: 20 }, (): SubnetDemand => ({
      hasCache: random() < 0.5,
      hostsByUpdate: Array.from({ length: 10 }, () => Math.floor(-3 + 10 * random() ** 3 * 10)).map((n) =>
        Math.max(0, n),
      ),
    }));
    const total = subnets.flatMap(({ hostsByUpdate }) => hostsByUpdate).reduce((sum, hosts) => sum + hosts, 0);
    worst = Math.max(worst, Math.abs(cacheSavings(subnets).savedShare - (1 - serverDownloads(subnets) / total)));
  }
  const everywhere = [
    { what: "files", mean: 4.18, percent: 76 },
    { what: "deltas", mean: 3.01, percent: 67 },
  ].map(({ what, mean, percent }) =>
    check({
      row: "B1.1",
      what: `percent saved by a cache in each AS, ${what}`,
      paper: percent,
      closed: 100 * cacheSavedShare(1, mean),
      simulated: 100 * savedByCachesEverywhere(mean, random),
      tolerance: 0.5,
      noise: 0.01,
    }),
  );
  return [
    check({
      row: "B1.1",
      what: "α = 1 − D/N, 1,000 random demands: largest difference",
      paper: 0,
      simulated: worst,
      tolerance: 1e-12,
    }),
    ...everywhere,
  ];
}

/** Every subnet has a cache and wants 200 updates, so many hosts each on average where any does. */
function savedByCachesEverywhere(mean: number, random: Random): number {
  const subnets = Array.from({ length: 500 }, (): SubnetDemand => ({
    hasCache: true,
    // Geometric from 1.
    hostsByUpdate: Array.from({ length: 200 }, () => 1 + Math.floor(exponential(random) / -Math.log(1 - 1 / mean))),
  }));
  const total = subnets.flatMap(({ hostsByUpdate }) => hostsByUpdate).reduce((sum, hosts) => sum + hosts, 0);
  return 1 - serverDownloads(subnets) / total;
}

function table3Checks(addresses: readonly number[]): Check[] {
  const users = sum(addresses);
  return TABLE_3.flatMap(({ threshold, caches, users: covered, coveredShare, meanPerCache, savedPercent }) => {
    const row = "B2 Table 3";
    const unrounded = covered / caches;
    const cached = addresses.filter((machines) => machines > threshold);
    // One update that all want: each address is a subnet of its own.
    const counted = 1 - (users - sum(cached) + cached.length) / users;
    const isLast = threshold === 50;
    return [
      check({
        row,
        what: `> ${threshold}: S̄ = users / caches`,
        paper: meanPerCache,
        closed: unrounded,
        tolerance: 0.005,
      }),
      check({
        row,
        what: `> ${threshold}: α = μ(1 − 1/S̄) in percent, with the printed μ`,
        paper: savedPercent,
        closed: 100 * cacheSavedShare(coveredShare, unrounded),
        tolerance: 0.005,
        note: `${(100 * cacheSavedShare(coveredShare, meanPerCache)).toFixed(3)} with the printed S̄`,
        ...(isLast && {
          otherwise: { verdict: "misprint" as const, why: "20 % · (1 − 1/285.72) is 19.93; 19.92 needs μ = 19.99 %" },
        }),
      }),
      ...(isLast
        ? []
        : [
            check({
              row,
              what: `> ${threshold}: α in percent, counted in a population of addresses`,
              paper: savedPercent,
              closed: 100 * cacheSavedShare(covered / ALL_USERS, unrounded),
              simulated: 100 * counted,
              tolerance: 0.5,
              noise: 0.01,
              note: "within what the rounding of μ to a percent allows: 302 million users",
            }),
          ]),
    ];
  });
}

function tailChecks(addresses: readonly number[]): Check[] {
  const [above25, above50] = [TABLE_3[3]!, TABLE_3[4]!];
  const between = (above25.users - above50.users) / (above25.caches - above50.caches);
  const counted = [10, 25, 100, 1000, 10_000].map(
    (machines) => [machines, addresses.filter((size) => size > machines).length] as const,
  );
  const exponent = powerOf(counted);
  return [
    check({
      row: "B2 Table 3",
      what: "users per address with 26 to 50, from the last two rows",
      paper: "26 to 50",
      closed: between,
      holds: between >= 26 && between <= 50,
      otherwise: {
        verdict: "misprint",
        why: "447,138 addresses have 9,768,490 users: no population has both rows; ours keeps > 25",
      },
    }),
    check({
      row: "B2 Table 3",
      what: "finding (e): caches save 25 to 35 percent; the table from > 10 on, most",
      paper: "25 to 35",
      closed: TABLE_3[2]!.savedPercent,
      holds: TABLE_3.slice(2).every(({ savedPercent }) => savedPercent >= 25 && savedPercent <= 35),
      otherwise: {
        verdict: "misprint",
        why: "the table has 19.9 to 28.4 for its thresholds of 10 and more, and 36.2 for 5",
      },
    }),
    check({
      row: "B3 Fig 12",
      what: "addresses with more than x machines fall like a power of x: exponent",
      paper: "heavy tail, up to 240K",
      simulated: exponent,
      holds: exponent < -0.8 && exponent > -2 && addresses.some((size) => size > 10_000),
      note: "a stand-in with table 3's first four rows; the figure has no numbers",
    }),
  ];
}

function table1Check(): Check {
  // Shares are printed as 9.80 but agree only if they are rounded to a tenth.
  const least = Math.max(...TABLE_1.map(({ gigabytes, percent }) => gigabytes / ((percent + 0.05) / 100)));
  const most = Math.min(...TABLE_1.map(({ gigabytes, percent }) => gigabytes / ((percent - 0.05) / 100)));
  return check({
    row: "B2 Table 1",
    what: "GB of all updates that the four shares have in common, middle",
    paper: "one total",
    closed: (least + most) / 2,
    holds: least <= most,
    note: `${least.toFixed(0)} to ${most.toFixed(0)}; shares are rounded to a tenth of a percent`,
  });
}

/** Machines of each address: the bins between table 3's rows keep their counts and means, the last has a power law. */
function addressPopulation(random: Random): number[] {
  const machines = TABLE_3.slice(0, 3).flatMap((row, i) => {
    const next = TABLE_3[i + 1]!;
    const count = Math.round((row.caches - next.caches) / SCALE);
    const mean = (row.users - next.users) / (row.caches - next.caches);
    return binOf([row.threshold + 1, next.threshold], { count, mean, random });
  });
  const tail = TABLE_3[3]!;
  const count = Math.round(tail.caches / SCALE);
  for (const size of tailOf(tail.threshold + 1, { count, mean: tail.users / tail.caches })) machines.push(size);
  const rest = Math.round((ALL_USERS - TABLE_3[0]!.users) / SCALE);
  // One or two machines: of what is left, at home. Half and half is as good as any, no threshold sees them.
  for (let left = rest; left > 0; left -= machines.at(-1)!) machines.push(left > 1 && random() < 0.5 ? 2 : 1);
  return machines;
}

interface Bin {
  readonly count: number;
  readonly mean: number;
  readonly random: Random;
}

/** Sizes from least to most by a geometric law with this mean. */
function binOf([least, most]: readonly [number, number], { count, mean, random }: Bin): number[] {
  const sizes = Array.from({ length: most - least + 1 }, (_, i) => least + i);
  const meanAt = (ratio: number): number => {
    const weights = sizes.map((_, i) => ratio ** i);
    return sum(sizes.map((size, i) => size * weights[i]!)) / sum(weights);
  };
  let [low, high] = [1e-6, 1e6];
  for (let step = 0; step < 200; step++) {
    const middle = Math.sqrt(low * high);
    if (meanAt(middle) < mean) low = middle;
    else high = middle;
  }
  const weights = sizes.map((_, i) => low ** i);
  const total = sum(weights);
  return Array.from({ length: count }, () => {
    let at = random() * total;
    return sizes.find((_, i) => (at -= weights[i]!) < 0) ?? most;
  });
}

/** Sizes from `least` to the largest of the paper by a truncated power law: its quantiles, so that the mean is kept. */
function tailOf(least: number, { count, mean }: Omit<Bin, "random">): number[] {
  const sizesFor = (exponent: number): number[] =>
    Array.from({ length: count }, (_, i) => {
      const share = (i + 0.5) / count;
      const floor = (least / MOST_PER_ADDRESS) ** exponent;
      return Math.round(least * (1 - share * (1 - floor)) ** (-1 / exponent));
    });
  let [low, high] = [0.2, 5];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (sum(sizesFor(middle)) / count > mean) low = middle;
    else high = middle;
  }
  return sizesFor(high);
}

function figure12(addresses: readonly number[]): CurvePlot {
  const grid = Array.from({ length: 60 }, (_, i) => 10 ** (i / 11)).filter((size) => size < MOST_PER_ADDRESS);
  const sorted = Float64Array.from(addresses).sort();
  const above = (size: number): number => SCALE * (sorted.length - sorted.findIndex((machines) => machines > size));
  return {
    title: "Fig 12: machines per address",
    x: { title: "machines", isLogarithmic: true },
    y: { title: "addresses with more", isLogarithmic: true },
    curves: [
      line(
        "stand-in population × 100",
        "#c0392b",
        grid.filter((size) => size < sorted.at(-1)!).map((size) => [size, above(size)]),
      ),
      crosses(
        "table 3",
        "#3b6ea5",
        TABLE_3.map(({ threshold, caches }) => [threshold, caches]),
      ),
    ],
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

import type { Random } from "../../src/core/clock.ts";
import type { QueryTime } from "../../src/model/polling.ts";
import type { SubnetSizes } from "../../src/model/subnet-sizes.ts";

// Hosts that ask, take the update from a peer that is online, and stay online for a fixed time: one host per query, nothing
// of the closed forms. Planet Scale Software Updates, section 5.3.

/** Transfers that crossed a border, by subnet. */
export interface Matching {
  readonly downloads: Float64Array;
  readonly uploads: Float64Array;
  /** Downloads while nobody was online anywhere. */
  readonly fromServer: number;
  /** Queries in all. */
  readonly queries: number;
}

export interface MatchingOptions {
  /** Hosts of each subnet. */
  readonly subnets: readonly number[];
  readonly staySeconds: number;
  /** True: peers of the same subnet first. False: any peer that is online. */
  readonly prefersLocal: boolean;
  readonly random: Random;
}

/** After a release each host asks once, at times of eq. 4. */
export function simulateRelease(options: MatchingOptions, queries: QueryTime): Matching {
  const hosts = subnetOfHosts(options.subnets);
  shuffle(hosts, options.random);
  // The i-th of n sorted uniform numbers by sums of exponential ones: nothing to sort.
  const times = new Float64Array(hosts.length);
  let sum = 0;
  for (let i = 0; i < times.length; i++) times[i] = sum += exponential(options.random);
  sum += exponential(options.random);
  for (let i = 0; i < times.length; i++) times[i] = queries.secondsAt(times[i]! / sum);
  return match(times, (i) => hosts[i]!, options);
}

/** In the steady state: hosts poll as Poisson processes, each poll is an update; as many polls as there are hosts. */
export function simulateSteadyState(options: MatchingOptions, pollsPerSecond: number): Matching {
  const { random } = options;
  const hosts = subnetOfHosts(options.subnets);
  const times = new Float64Array(hosts.length);
  const asking = new Uint32Array(hosts.length);
  let at = 0;
  for (let i = 0; i < times.length; i++) {
    times[i] = at += exponential(random) / (pollsPerSecond * hosts.length);
    asking[i] = hosts[Math.floor(random() * hosts.length)]!;
  }
  return match(times, (i) => asking[i]!, options);
}

function match(times: Float64Array, subnetOf: (query: number) => number, options: MatchingOptions): Matching {
  const { subnets, staySeconds, prefersLocal, random } = options;
  const [downloads, uploads] = [new Float64Array(subnets.length), new Float64Array(subnets.length)];
  const lastQuery = new Float64Array(subnets.length).fill(-Infinity);
  let [firstOnline, fromServer] = [0, 0];
  for (let i = 0; i < times.length; i++) {
    const [now, subnet] = [times[i]!, subnetOf(i)];
    while (times[firstOnline]! <= now - staySeconds) firstOnline++;
    const isLocal = prefersLocal && lastQuery[subnet]! > now - staySeconds;
    lastQuery[subnet] = now;
    if (isLocal) continue;
    if (firstOnline === i) fromServer++;
    else {
      const giver = subnetOf(firstOnline + Math.floor(random() * (i - firstOnline)));
      if (giver === subnet) continue;
      uploads[giver]!++;
    }
    downloads[subnet]!++;
  }
  return { downloads, uploads, fromServer, queries: times.length };
}

/** Share of queries that find nobody of their subnet, in the steady state: a poll's subnet by ν, then the gap before it. */
export function simulateRemoteShare(sizes: SubnetSizes, rho: number, polls: number, random: Random): number {
  const cumulative = new Float64Array(sizes.shares.length);
  sizes.shares.reduce((sum, { share }, i) => (cumulative[i] = sum + share), 0);
  let remote = 0;
  for (let poll = 0; poll < polls; poll++) {
    const { hosts } = sizes.shares[indexOf(cumulative, random())]!;
    // In units of the mean time between polls of one host.
    if (exponential(random) / hosts >= rho) remote++;
  }
  return remote / polls;
}

/** The subnets that so many hosts make of a distribution of sizes; rounded so that errors do not add up. */
export function subnetsFrom(sizes: SubnetSizes, hosts: number): number[] {
  let owed = 0;
  return sizes.shares.flatMap((size) => {
    owed += (hosts * size.share) / size.hosts;
    const count = Math.max(0, Math.round(owed));
    owed -= count;
    return Array.from({ length: count }, () => size.hosts);
  });
}

/** Exponential with mean 1. */
export function exponential(random: Random): number {
  return -Math.log(1 - random());
}

function subnetOfHosts(subnets: readonly number[]): Uint32Array {
  const hosts = new Uint32Array(subnets.reduce((sum, size) => sum + size, 0));
  let at = 0;
  subnets.forEach((size, subnet) => hosts.fill(subnet, at, (at += size)));
  return hosts;
}

function shuffle(values: Uint32Array, random: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
}

function indexOf(cumulative: Float64Array, share: number): number {
  let [low, high] = [0, cumulative.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle]! > share) high = middle;
    else low = middle + 1;
  }
  return low;
}

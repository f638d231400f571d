import { onlineShare, type Stay } from "./online-hosts.ts";
import type { QueryTime } from "./polling.ts";
import { integrate } from "./quadrature.ts";
import type { SubnetSizes } from "./subnet-sizes.ts";

// Peers that prefer their own subnet: what still crosses its border. Planet Scale Software Updates, section 5.3.2. Every host
// asks once after a release, stays online for a while, and takes the update from a host of its subnet that is online, else
// from one elsewhere.

/** When hosts ask, and how long they stay. */
export interface LocalitySituation {
  readonly queries: QueryTime;
  readonly stay: Stay;
}

/**
 * Theorem 1: how many of the `hosts` of a subnet are expected to take the update from elsewhere within `untilSeconds` of the
 * release, N ∫ (1 − B̄*a(s))^(N−1) a(s) ds. (The theorem's words "from a remote subnet j" mean: *into* j.)
 */
export function remoteDownloads(hosts: number, situation: LocalitySituation, untilSeconds: number = Infinity): number {
  const { queries, stay } = situation;
  const nobodyElse = (s: number): number => aloneProbability(hosts, onlineShare(queries, stay, s));
  return hosts * integrate((s) => nobodyElse(s) * queries.density(s), breakpointsOf(situation, untilSeconds));
}

/** Corollary 1: N (1 − ρ)^(N−1) is less than theorem 1 for t → ∞, if ρ ≤ 1 and a(t) nowhere rises. */
export function remoteDownloadsBound(hosts: number, rho: number): number {
  return hosts * aloneProbability(hosts, rho);
}

/**
 * Theorem 2: uploads out of a subnet per host of it within `untilSeconds`, R_t = E_ν ∫ (1 − B̄*a(s))^(S−1) a(s) ds, the same
 * for subnets of any bounded size as the number of all hosts grows.
 */
export function remoteUploadShare(
  sizes: SubnetSizes,
  situation: LocalitySituation,
  untilSeconds: number = Infinity,
): number {
  return sizes.mean((hosts) => remoteDownloads(hosts, situation, untilSeconds) / hosts);
}

/** Eq. 3: E_ν[(1 − ρ)^(S−1)] A(t) is less than R_t, if ρ ≤ 1 and a(t) nowhere rises. @param askedShare A(t); 1 for t → ∞ */
export function remoteUploadShareBound(sizes: SubnetSizes, rho: number, askedShare = 1): number {
  return sizes.mean((hosts) => aloneProbability(hosts, rho)) * askedShare;
}

/**
 * Corollary 2 as it is printed, E_ν[(1 − B̄*a(T₁))^S] A(t) with T₁ ~ A. Not a lower bound of R_t for finite t: it takes the
 * mean over all time where R_t has only what happened until t. Here to show that; eq. 3 is the bound.
 */
export function printedCorollary2(sizes: SubnetSizes, situation: LocalitySituation, untilSeconds: number): number {
  const { queries, stay } = situation;
  const mean = sizes.mean((hosts) =>
    integrate(
      (s) => aloneProbability(hosts + 1, onlineShare(queries, stay, s)) * queries.density(s),
      breakpointsOf(situation, Infinity),
    ),
  );
  return mean * queries.share(untilSeconds);
}

/** Footnote 10: D / (λ t) → N e^(−ρN), where hosts poll as Poisson processes and every poll is an update. */
export function steadyRemoteDownloads(hosts: number, rho: number): number {
  return hosts * Math.exp(-rho * hosts);
}

/** Footnote 10: U / (λ t N) → E_ν[e^(−ρS)]. */
export function steadyRemoteUploadShare(sizes: SubnetSizes, rho: number): number {
  return sizes.mean((hosts) => Math.exp(-rho * hosts));
}

/** Where N e^(−ρN) is largest: 1/ρ hosts with 1/(ρ e) downloads. */
export function steadyMaximum(rho: number): { readonly hosts: number; readonly downloads: number } {
  return { hosts: 1 / rho, downloads: 1 / (rho * Math.E) };
}

/** Hosts from which on a subnet uploads more than it downloads, in the steady state: ln(1/R∞) / ρ (section 5.3.2). */
export function steadyBreakEvenHosts(uploadShare: number, rho: number): number {
  return Math.log(1 / uploadShare) / rho;
}

/** The same by theorem 1: the size at which downloads per host fall to `uploadShare`. @param uploadShare between 0 and 1 */
export function breakEvenHosts(uploadShare: number, situation: LocalitySituation): number {
  return bisect((hosts) => remoteDownloads(hosts, situation) / hosts, uploadShare, [1, 1e9]);
}

/** The ρ at which eq. 3 gives `uploadShare` for t → ∞ (table 4, figure 17). @param uploadShare between 0 and 1 */
export function pollsPerStayFor(sizes: SubnetSizes, uploadShare: number): number {
  return bisect((rho) => remoteUploadShareBound(sizes, rho), uploadShare, [1e-12, 1]);
}

/** (1 − x)^(N−1): nobody of the N − 1 others is online, if each is with probability x. */
function aloneProbability(hosts: number, onlineProbability: number): number {
  return hosts <= 1 ? 1 : Math.exp((hosts - 1) * Math.log1p(-Math.min(1, onlineProbability)));
}

/** Where the integrand changes its form: at the first stay's end, and where the rate of queries begins to fall. */
function breakpointsOf({ queries, stay }: LocalitySituation, untilSeconds: number): number[] {
  const { leastSeconds, mostSeconds } = queries.rule;
  const end = Math.min(untilSeconds, mostSeconds);
  const inner = [stay.meanSeconds, leastSeconds, leastSeconds + stay.meanSeconds];
  return [0, ...inner.filter((at) => at > 0 && at < end).sort((a, b) => a - b), end];
}

/** Where a falling function takes a value, to a part in 10^12; the ends of the interval are more than 0. */
function bisect(f: (x: number) => number, value: number, [from, to]: readonly [number, number]): number {
  let [low, high] = [from, to];
  while (high / low > 1 + 1e-12) {
    const middle = Math.sqrt(low * high);
    if (f(middle) > value) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}

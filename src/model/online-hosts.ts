import type { QueryTime } from "./polling.ts";

/** How long a host stays online after it asked: always the same, or exponential. */
export interface Stay {
  readonly kind: "fixed" | "exponential";
  readonly meanSeconds: number;
}

/**
 * B̄ * a(t) = ∫ B̄(t − s) a(s) ds: the probability that a host is online `seconds` after the release (Planet Scale Software
 * Updates, theorem 1). At most ρ (appendix III).
 */
export function onlineShare(queries: QueryTime, stay: Stay, seconds: number): number {
  if (stay.kind === "fixed") return queries.share(seconds) - queries.share(seconds - stay.meanSeconds);
  const { leastSeconds, mostSeconds } = queries.rule;
  const uniform = decayed(queries, stay.meanSeconds, { from: 0, to: Math.min(seconds, leastSeconds), at: seconds });
  if (seconds <= leastSeconds) return uniform;
  const to = Math.min(seconds, mostSeconds);
  return uniform + decayed(queries, stay.meanSeconds, { from: leastSeconds, to, at: seconds });
}

/** ρ = b a*: the mean number of a host's queries that fall into a stay (Planet Scale Software Updates, corollary 1). */
export function pollsPerStay(queries: QueryTime, stay: Stay): number {
  return stay.meanSeconds * queries.peakRatePerSecond;
}

/**
 * ∫ e^{−(at − s)/b} a(s) ds over a part in which a is a straight line: b a(s) − b² a′ is the antiderivative's factor.
 * @param span part of the time, and the moment that is asked for
 */
function decayed(
  queries: QueryTime,
  meanSeconds: number,
  { from, to, at }: { readonly from: number; readonly to: number; readonly at: number },
): number {
  const slope = to > from ? (queries.density(to) - queries.density(from)) / (to - from) : 0;
  const term = (s: number): number =>
    Math.exp(-(at - s) / meanSeconds) * (meanSeconds * queries.density(s) - meanSeconds ** 2 * slope);
  return term(to) - term(from);
}

/** Queries that were counted in a part of the time after a release. */
export interface QueryCount {
  readonly queries: number;
  /** A(t_{k+1}) − A(t_k): the probability that a host that is always online asks in this part; more than 0. */
  readonly probability: number;
}

/** How many hosts are always online, at most. */
export interface AlwaysOnlineEstimate {
  /** M̂: the least of queries / probability. */
  readonly estimate: number;
  /** The largest M that lemma 1 leaves possible: (1 − ε(M)) M ≤ M̂. */
  readonly atMost: number;
}

/** h(ε) of lemma 2: min[(1 + ε) ln(1 + ε) − ε, ε²/2]. The first is the smaller one for all ε > 0. */
export function deviationRate(epsilon: number): number {
  return Math.min((1 + epsilon) * Math.log1p(epsilon) - epsilon, epsilon ** 2 / 2);
}

/** Lemma 2: P(|Y − m| > ε m) is less than this for a sum Y of independent indicators with mean m; Alon and Spencer, A.1.14. */
export function deviationBound(mean: number, epsilon: number): number {
  return 2 * Math.exp(-deviationRate(epsilon) * mean);
}

/**
 * ε(M) of lemma 1: the least ε with Σ exp(−h(ε) M p_k) ≤ 1 − confidence. With few hosts it is more than 1 and says nothing.
 * @param hosts M, more than 0
 */
export function estimatorSlack(hosts: number, probabilities: readonly number[], confidence = 0.95): number {
  const isEnough = (epsilon: number): boolean =>
    probabilities.reduce((sum, p) => sum + Math.exp(-deviationRate(epsilon) * hosts * p), 0) <= 1 - confidence;
  let [low, high] = [0, 1];
  while (!isEnough(high)) high *= 2;
  while (high - low > 1e-12 * high) {
    const middle = (low + high) / 2;
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * Lemma 1 (Planet Scale Software Updates, appendix I): hosts that are always online make M p_k of the queries of each part of
 * the time, whoever else asks; the quietest part bounds M. (Its proof has P(sup{…} < 0) where it needs that *some* part is < 0.)
 * @param counts parts of the time without overlap, one at least
 */
export function estimateAlwaysOnline(counts: readonly QueryCount[], confidence = 0.95): AlwaysOnlineEstimate {
  const estimate = Math.min(...counts.map(({ queries, probability }) => queries / probability));
  const probabilities = counts.map(({ probability }) => probability);
  const isPossible = (hosts: number): boolean =>
    hosts * (1 - estimatorSlack(hosts, probabilities, confidence)) <= estimate;
  let [low, high] = [Math.max(estimate, 1e-9), Math.max(2 * estimate, 1)];
  while (isPossible(high)) high *= 2;
  while (high - low > 1e-6 * high) {
    const middle = (low + high) / 2;
    if (isPossible(middle)) low = middle;
    else high = middle;
  }
  return { estimate, atMost: low };
}

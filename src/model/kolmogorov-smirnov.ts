/** Outcome of a two-sided test of one sample against one distribution. */
export interface UniformityTest {
  /** D: the largest distance between the sample's distribution function and the tested one, 0 … 1. */
  readonly distance: number;
  /** The probability of such a distance or more, if the sample comes from the tested distribution. */
  readonly probability: number;
}

/** Beyond this the series of Kolmogorov's distribution adds nothing to a double. */
const TERMS = 100;

/**
 * Kolmogorov–Smirnov test of points against the uniform distribution on [0, 1) (Planet Scale Software Updates, section 4.1.3).
 * @param points any order, each in [0, 1); one at least. Map others by their distribution function.
 */
export function testUniformity(points: ArrayLike<number>): UniformityTest {
  const sorted = Float64Array.from(points).sort();
  let distance = 0;
  for (let i = 0; i < sorted.length; i++) {
    distance = Math.max(distance, (i + 1) / sorted.length - sorted[i]!, sorted[i]! - i / sorted.length);
  }
  return { distance, probability: distanceProbability(distance, sorted.length) };
}

/** The distance that a uniform sample of `count` exceeds with this probability; 1.358/√n for 5 % of large samples. */
export function criticalDistance(count: number, probability = 0.05): number {
  let [low, high] = [0, 1];
  while (high - low > 1e-12) {
    const middle = (low + high) / 2;
    if (distanceProbability(middle, count) > probability) low = middle;
    else high = middle;
  }
  return high;
}

/** Kolmogorov's limit 2 Σ (−1)^(k−1) e^(−2 k² x²), with Stephens' correction of x for small samples (good from n = 4 on). */
function distanceProbability(distance: number, count: number): number {
  const root = Math.sqrt(count);
  const x = distance * (root + 0.12 + 0.11 / root);
  if (x < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= TERMS; k++) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * (k * x) ** 2);
  return Math.min(1, Math.max(0, sum));
}

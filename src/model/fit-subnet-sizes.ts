import { SubnetSizes } from "./subnet-sizes.ts";

/** What eq. 3 gives for t → ∞ at some ρ. */
export interface UploadPoint {
  readonly rho: number;
  readonly uploadShare: number;
}

export interface FitOptions {
  readonly largestHosts: number;
  readonly smallestHosts?: number;
}

/** Of the sizes' grid, per decade. */
const SIZES_PER_DECADE = 24;
const MOST_STEPS = 500;
/** Of the values, as a share of each. */
const ACCURACY = 1e-9;
/** Of the potential, which is about 1: near the solution a step gains less than a double can show. */
const ROUNDING = 1e-13;

/**
 * The smoothest distribution of subnet sizes for which eq. 3 takes the given values: the one of the largest entropy on a
 * logarithmic grid of sizes, w_k ∝ exp(−Σ λ_i (1 − ρ_i)^(S_k−1)). The papers print such values and no distribution.
 * Newton's method on the convex dual. Undefined if no distribution of these sizes has the values.
 */
export function fitSubnetSizes(points: readonly UploadPoint[], options: FitOptions): SubnetSizes | undefined {
  const sizes = sizeGrid(options.smallestHosts ?? 1, options.largestHosts);
  const features = sizes.map((hosts) =>
    points.map(({ rho, uploadShare }) => Math.exp((hosts - 1) * Math.log1p(-rho)) / uploadShare - 1),
  );
  let lambda = points.map(() => 0);
  for (let step = 0; step < MOST_STEPS; step++) {
    const { shares, gradient, hessian, potential } = momentsAt(features, lambda);
    if (Math.max(...gradient.map(Math.abs)) < ACCURACY) {
      return SubnetSizes.ofWeights(sizes.map((hosts, k) => ({ hosts, share: shares[k]! })));
    }
    const direction = solve(hessian, gradient);
    if (direction === undefined) return undefined;
    // Newton's decrement: how much a step is to gain.
    const descent = direction.reduce((sum, value, i) => sum + value * gradient[i]!, 0);
    let length = 1;
    const moved = (): number[] => lambda.map((value, i) => value + length * direction[i]!);
    while (length > 1e-10 && momentsAt(features, moved()).potential > potential - 1e-4 * length * descent + ROUNDING) {
      length /= 2;
    }
    if (length <= 1e-10) return undefined;
    lambda = moved();
  }
  return undefined;
}

function sizeGrid(smallest: number, largest: number): number[] {
  const count = Math.ceil(Math.log10(largest / smallest) * SIZES_PER_DECADE);
  const sizes = Array.from({ length: count + 1 }, (_, k) => Math.round(smallest * (largest / smallest) ** (k / count)));
  return [...new Set(sizes)];
}

interface Moments {
  readonly shares: readonly number[];
  /** Means of the features: all 0 at the solution. */
  readonly gradient: readonly number[];
  /** Their covariances. */
  readonly hessian: readonly (readonly number[])[];
  /** ln Σ exp(−λ·f), which is least at the solution. */
  readonly potential: number;
}

function momentsAt(features: readonly (readonly number[])[], lambda: readonly number[]): Moments {
  const exponents = features.map((row) => -row.reduce((sum, value, i) => sum + value * lambda[i]!, 0));
  const largest = exponents.reduce((most, value) => Math.max(most, value), -Infinity);
  const weights = exponents.map((value) => Math.exp(value - largest));
  const total = weights.reduce((sum, value) => sum + value, 0);
  const shares = weights.map((weight) => weight / total);
  const meanOf = (f: (row: readonly number[]) => number): number =>
    features.reduce((sum, row, k) => sum + shares[k]! * f(row), 0);
  const gradient = lambda.map((_, i) => meanOf((row) => row[i]!));
  const hessian = lambda.map((_, i) =>
    lambda.map((_, j) => meanOf((row) => (row[i]! - gradient[i]!) * (row[j]! - gradient[j]!))),
  );
  return { shares, gradient, hessian, potential: largest + Math.log(total) };
}

/** Gauss' elimination with pivots; undefined if the matrix is singular. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (let column = 0; column < rows.length; column++) {
    const pivot = rows
      .slice(column)
      .reduce((best, row) => (Math.abs(row[column]!) > Math.abs(best[column]!) ? row : best));
    if (Math.abs(pivot[column]!) < 1e-300) return undefined;
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(column, 0, pivot);
    for (const row of rows) {
      if (row === pivot) continue;
      const factor = row[column]! / pivot[column]!;
      for (let j = column; j <= rows.length; j++) row[j]! -= factor * pivot[j]!;
    }
  }
  return rows.map((row, i) => row[rows.length]! / row[i]!);
}

/** A straight line through points by least squares. */
export function regression(points: readonly (readonly [number, number])[]): {
  readonly slope: number;
  readonly intercept: number;
} {
  const mean = (pick: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [x, y] = [mean((point) => point[0]), mean((point) => point[1])];
  const slope = mean((point) => (point[0] - x) * (point[1] - y)) / mean((point) => (point[0] - x) ** 2);
  return { slope, intercept: y - slope * x };
}

/** Exponent of a power law through points: the slope of their logarithms. */
export function powerOf(points: readonly (readonly [number, number])[]): number {
  return regression(points.map(([x, y]) => [Math.log(x), Math.log(y)] as const)).slope;
}

/** So many standard deviations of a count with this mean, as a share of it. */
export function deviations(count: number, mean: number): number {
  return count / Math.sqrt(mean);
}

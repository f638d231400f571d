/** Points of a panel; sixteen integrate a polynomial of degree 31 exactly. */
const ORDER = 16;
/** Halvings of a panel towards each of its ends: features down to a part in 2^40 next to a breakpoint are met. */
const HALVINGS = 40;

const { nodes: NODES, weights: WEIGHTS } = gaussLegendre(ORDER);

/**
 * ∫ f between the first and the last breakpoint, by Gauss–Legendre on panels that shrink towards every breakpoint. Between
 * breakpoints `f` must be smooth; steep slopes may lie next to them only, as those of (1 − x(t))^(N−1) do.
 * @param breakpoints ascending, two at least
 */
export function integrate(f: (x: number) => number, breakpoints: readonly number[]): number {
  let sum = 0;
  for (let i = 1; i < breakpoints.length; i++) sum += integrateBetween(f, breakpoints[i - 1]!, breakpoints[i]!);
  return sum;
}

function integrateBetween(f: (x: number) => number, from: number, to: number): number {
  const half = (to - from) / 2;
  if (half <= 0) return 0;
  let sum = 0;
  for (let step = 0; step < HALVINGS; step++) {
    const [near, far] = [half * 2 ** -(step + 1), half * 2 ** -step];
    sum += panel(f, from + near, from + far) + panel(f, to - far, to - near);
  }
  const rest = half * 2 ** -HALVINGS;
  return sum + panel(f, from, from + rest) + panel(f, to - rest, to);
}

function panel(f: (x: number) => number, from: number, to: number): number {
  const [middle, half] = [(from + to) / 2, (to - from) / 2];
  let sum = 0;
  for (let i = 0; i < ORDER; i++) sum += WEIGHTS[i]! * f(middle + half * NODES[i]!);
  return sum * half;
}

/** Roots of the Legendre polynomial by Newton's method from Chebyshev's points, and the weights that belong to them. */
function gaussLegendre(order: number): { readonly nodes: readonly number[]; readonly weights: readonly number[] } {
  const roots = Array.from({ length: order }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (order + 0.5));
    for (let step = 0; step < 10; step++) {
      const { value, slope } = legendre(order, x);
      x -= value / slope;
    }
    return { x, weight: 2 / ((1 - x * x) * legendre(order, x).slope ** 2) };
  });
  return { nodes: roots.map(({ x }) => x), weights: roots.map(({ weight }) => weight) };
}

function legendre(order: number, x: number): { readonly value: number; readonly slope: number } {
  let [before, value] = [1, x];
  for (let n = 2; n <= order; n++) [before, value] = [value, ((2 * n - 1) * x * value - (n - 1) * before) / n];
  return { value, slope: (order * (x * value - before)) / (x * x - 1) };
}

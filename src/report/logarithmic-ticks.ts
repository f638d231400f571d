/** Of a decade; more of them crowd an axis of several decades. */
const FINE_STEPS: readonly number[] = [1, 1.5, 2, 3, 5, 7];
const COARSE_STEPS: readonly number[] = [1, 3];
const DECADE_STEPS: readonly number[] = [1];

/** Round numbers between the ends, not too many. */
export function logarithmicTicks(low: number, high: number): number[] {
  const decades = Math.log10(high / low);
  const steps = decades < 1.2 ? FINE_STEPS : decades < 3 ? COARSE_STEPS : DECADE_STEPS;
  const ticks: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)); 10 ** exponent <= high; exponent++) {
    for (const step of steps) ticks.push(Number(`${step}e${exponent}`));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

const NANOSECONDS = 1_000_000_000n;

/**
 * Seconds since 1970 as Node's utimes wants them: the double nearest to `mtimeNs` whose whole second is still the
 * same (`…999999999 ns` must not become the next second: HTTP and FAT-minded tools compare whole seconds). Off by less
 * than 1 µs until the year 2242. Negative times travel as text, because Node takes a negative number for "now".
 */
export function utimesSeconds(mtimeNs: bigint): number | string {
  const fraction = ((mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  const whole = Number((mtimeNs - fraction) / NANOSECONDS);
  let seconds = whole + Number(fraction) / 1e9;
  if (seconds >= whole + 1) seconds = nextDown(whole + 1);
  // libuv cuts towards zero, which is upwards here: half a nanosecond less makes it round.
  return seconds < 0 ? String(seconds - 0.5e-9) : seconds;
}

/** The largest double below `value` (≠ 0, finite). */
function nextDown(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return view.getFloat64(0);
}

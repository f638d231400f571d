/** A new volunteer has its whole share after this long: about as long as its first audit takes to come. */
const RAMP_UP_MS = 600_000;
/** Its capacity changes seldom: with each change what it has to send is moved to a line of another speed, transfer by transfer. */
const STEPS = 8;

/** The part of its capacity that a volunteer is trusted with so long after it was first heard of: an eighth, then more, 1 at the end. */
export function trustedShare(knownForMs: number): number {
  const step = 1 + Math.floor((Math.max(0, knownForMs) / RAMP_UP_MS) * STEPS);
  return Math.min(step, STEPS) / STEPS;
}

import { DEFAULT_CAPACITY_BYTES_PER_SECOND } from "./delivery-volunteer.ts";

/** Of fewer nothing can be said about what is usual. */
const FEWEST = 3;
/** What a word about the own load may move at most (reliability row H19). */
const MOST_ABOVE_OTHERS = 2;

/**
 * What is believed of announced capacities, in the same order: at most twice the (upper) median of the others, so that nobody draws all customers by
 * a number. 0 is a volunteer that does not tell. Bytes per second.
 */
export function believedCapacities(announced: readonly number[]): readonly number[] {
  const told = announced.map((capacity) => capacity || DEFAULT_CAPACITY_BYTES_PER_SECOND);
  if (told.length < FEWEST) return told;
  const sorted = told.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) >> 1;
  return told.map((capacity) => {
    // Without this one, all from its place on move down by one.
    const ofOthers = capacity <= sorted[middle]! ? sorted[middle + 1]! : sorted[middle]!;
    return Math.min(capacity, MOST_ABOVE_OTHERS * ofOthers);
  });
}

/** The name that was probably meant, or undefined: at most a third of the letters differ, "_" counts as "-". */
export function nearestName(given: string, names: Iterable<string>): string | undefined {
  const meant = given.toLowerCase().replaceAll("_", "-").slice(0, LONGEST);
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(meant.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(meant, name.toLowerCase());
    if (distance >= least) continue;
    nearest = name;
    least = distance;
  }
  return nearest;
}

/** "; did you mean NAME?" or nothing, for the end of a message. */
export function didYouMean(given: string, names: Iterable<string>, prefix = ""): string {
  const nearest = nearestName(given, names);
  return nearest === undefined ? "" : `; did you mean ${prefix}${nearest}?`;
}

/** The work grows with the product of lengths. */
const LONGEST = 60;

/** Letters inserted, left out, replaced, or swapped with their neighbour (optimal string alignment). */
function editDistance(first: string, second: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: second.length + 1 }, (_, column) => column);
  for (let row = 1; row <= first.length; row++) {
    const current = [row];
    for (let column = 1; column <= second.length; column++) {
      const isSame = first[row - 1] === second[column - 1];
      let least = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + Number(!isSame));
      const isSwapped = first[row - 1] === second[column - 2] && first[row - 2] === second[column - 1];
      if (isSwapped && row > 1 && column > 1) least = Math.min(least, beforeLast[column - 2]! + 1);
      current.push(least);
    }
    beforeLast = last;
    last = current;
  }
  return last[second.length]!;
}

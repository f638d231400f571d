import type { Random } from "../../src/core/clock.ts";

/** Requests in which groups of files were hidden. */
export interface PlantedRequests {
  /** For each file the customers that requested it. */
  readonly customersByFile: readonly (readonly number[])[];
  /** For each file its group; a negative number, different for each, if it has none. */
  readonly groupByFile: readonly number[];
}

export interface PlantedShape {
  readonly customers: number;
  /** Sizes of the groups; the first is requested by all customers. */
  readonly groups: readonly number[];
  readonly singles: number;
  /** How often a customer that takes a group leaves one of its files out. */
  readonly noise: number;
}

/** Least and largest share of the customers that take a group but the first, or a single file. */
const [LEAST_SHARE, MOST_SHARE] = [0.03, 0.45];

/** Each customer takes a group or does not, and then all its files but for the noise. */
export function plantRequests({ customers, groups, singles, noise }: PlantedShape, random: Random): PlantedRequests {
  const customersByFile: number[][] = [];
  const groupByFile: number[] = [];
  const takers = (share: number): number[] =>
    Array.from({ length: customers }, (_, customer) => customer).filter(() => random() < share);
  groups.forEach((files, group) => {
    const share = group === 0 ? 1 : LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * random();
    const taking = takers(share);
    for (let file = 0; file < files; file++) {
      customersByFile.push(taking.filter(() => random() >= noise));
      groupByFile.push(group);
    }
  });
  for (let file = 0; file < singles; file++) {
    customersByFile.push(takers(LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * random()));
    groupByFile.push(-1 - file);
  }
  return { customersByFile, groupByFile };
}

/** Adjusted Rand index of two partitions (Hubert and Arabie 1985): 1 if they are the same, 0 as by chance. */
export function adjustedRandIndex(first: readonly number[], second: readonly number[]): number {
  const both = new Map<string, number>();
  first.forEach((group, i) => {
    const key = `${group} ${second[i]!}`;
    both.set(key, (both.get(key) ?? 0) + 1);
  });
  const pairs = (counts: Iterable<number>): number => [...counts].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
  const sizes = (groups: readonly number[]): Iterable<number> =>
    Map.groupBy(groups, (group) => group)
      .values()
      .map((members) => members.length);
  const [together, a, b] = [pairs(both.values()), pairs(sizes(first)), pairs(sizes(second))];
  const chance = (a * b) / pairs([first.length]);
  return (together - chance) / ((a + b) / 2 - chance);
}

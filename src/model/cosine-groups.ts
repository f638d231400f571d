/** Files by who requests them, as indices of what was given. */
export interface CosineGroups {
  /** Connected components of two and more, largest first, members ascending. */
  readonly groups: readonly (readonly number[])[];
  /** Files that are like no other. */
  readonly singles: readonly number[];
  /** Files that nobody asked for: their cosine is not defined. */
  readonly neverRequested: readonly number[];
}

/** More than this is alike (Planet Scale Software Updates, section 3.1). */
export const ALIKE_COSINE = 0.9;

/**
 * Groups of files that the same customers request: ρ_ij = x_i·x_j / (|x_i| |x_j|) over the binary vectors of customers, an edge
 * where it is *more* than `threshold`, groups are connected components (Planet Scale Software Updates, section 3.1).
 * @param customersByFile for each file the customers that requested it, numbered from 0; repeats count once
 */
export function groupByCosine(
  customersByFile: readonly Iterable<number>[],
  threshold: number = ALIKE_COSINE,
): CosineGroups {
  const vectors = customersByFile.map((customers) => new CustomerSet(customers));
  const requested = vectors.keys().filter((file) => vectors[file]!.size > 0);
  const order = [...requested].sort((a, b) => vectors[a]!.size - vectors[b]!.size);
  const components = new Components(vectors.length);
  order.forEach((file, position) => {
    for (let next = position + 1; next < order.length; next++) {
      const other = order[next]!;
      // The cosine is √(smaller / larger) at most: files that are too popular to be alike end the search.
      if (Math.sqrt(vectors[file]!.size / vectors[other]!.size) <= threshold) break;
      if (components.areJoined(file, other)) continue;
      if (vectors[file]!.cosine(vectors[other]!) > threshold) components.join(file, other);
    }
  });
  const all = [...Map.groupBy(order, (file) => components.rootOf(file)).values()];
  const ascending = (a: number, b: number): number => a - b;
  return {
    groups: all
      .filter((files) => files.length > 1)
      .map((files) => files.sort(ascending))
      .sort((a, b) => b.length - a.length || a[0]! - b[0]!),
    singles: all
      .filter((files) => files.length === 1)
      .flat()
      .sort(ascending),
    neverRequested: [...vectors.keys().filter((file) => vectors[file]!.size === 0)],
  };
}

/** The least cosine of any two files of a group: components promise likeness along a chain only. 1 for less than two files. */
export function leastCosine(customersByFile: readonly Iterable<number>[]): number {
  const vectors = customersByFile.map((customers) => new CustomerSet(customers));
  let least = 1;
  vectors.forEach((vector, i) => {
    for (const other of vectors.slice(i + 1)) least = Math.min(least, vector.cosine(other));
  });
  return least;
}

/** A binary vector, 32 customers a word. */
class CustomerSet {
  readonly size: number;
  readonly #words: Uint32Array;

  constructor(customers: Iterable<number>) {
    const distinct = new Set(customers);
    this.size = distinct.size;
    let last = -1;
    for (const customer of distinct) last = Math.max(last, customer);
    this.#words = new Uint32Array((last >>> 5) + 1);
    for (const customer of distinct) this.#words[customer >>> 5]! |= 1 << (customer & 31);
  }

  cosine(other: CustomerSet): number {
    let common = 0;
    const words = Math.min(this.#words.length, other.#words.length);
    for (let i = 0; i < words; i++) common += onesOf(this.#words[i]! & other.#words[i]!);
    return common / Math.sqrt(this.size * other.size);
  }
}

function onesOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Disjoint sets with path halving. */
class Components {
  readonly #parents: Uint32Array;

  constructor(count: number) {
    this.#parents = Uint32Array.from({ length: count }, (_, i) => i);
  }

  rootOf(item: number): number {
    const parents = this.#parents;
    let at = item;
    while (parents[at] !== at) {
      parents[at] = parents[parents[at]!]!;
      at = parents[at]!;
    }
    return at;
  }

  areJoined(a: number, b: number): boolean {
    return this.rootOf(a) === this.rootOf(b);
  }

  join(a: number, b: number): void {
    this.#parents[this.rootOf(a)] = this.rootOf(b);
  }
}

/** A name apart from its version numbers. Two names of one stem are versions of the same thing. */
interface NameShape {
  /** `foo-1.2-3.rpm` and `foo-1.10.1-1.rpm` have the stem `foo-#.rpm`. */
  readonly stem: string;
  /** Its numbers in order. */
  readonly numbers: readonly number[];
}

const NUMBER = /[0-9]+/g;
/** Numbers with nothing but separators between them are one version, however many they are. */
const VERSION = /#(?:[.+~:_-]#)*/g;
/** Names without a relative of their stem are compared with so many neighbours in the order of names. */
const NEIGHBOURS = 4;
/** A name is alike from this share of common beginning and end on. */
const ALIKE_SHARE = 0.6;

function shapeOf(name: string): NameShape {
  const numbers = (name.match(NUMBER) ?? []).map(Number);
  return { stem: name.replace(NUMBER, "#").replace(VERSION, "#"), numbers };
}

interface ShapedName extends NameShape {
  readonly name: string;
}

/** The file names of one directory, to find relatives of a further name in about logarithmic time. */
export class DirectoryNames {
  readonly #byStem = new Map<string, ShapedName[]>();
  readonly #sorted: readonly string[];

  constructor(names: Iterable<string>) {
    this.#sorted = [...names].sort();
    for (const name of this.#sorted) {
      const shaped = { name, ...shapeOf(name) };
      const relatives = this.#byStem.get(shaped.stem);
      if (relatives === undefined) this.#byStem.set(shaped.stem, [shaped]);
      else relatives.push(shaped);
    }
    for (const relatives of this.#byStem.values()) relatives.sort((a, b) => compareVersions(a.numbers, b.numbers));
  }

  /**
   * The most alike names, best first, without `name` itself: versions of the same thing, the nearest version first, a newer
   * one before an older one as near; if there is none, names with a common beginning and end.
   */
  mostAlike(name: string, limit: number): string[] {
    const shape = shapeOf(name);
    const relatives = this.#byStem.get(shape.stem) ?? [];
    const place = placeIn(relatives, (other) => compareVersions(other.numbers, shape.numbers) < 0);
    // Who agrees in the most leading numbers, and then is nearest in the next, stands right there.
    const versions = around(relatives, place, limit + 1).filter((other) => other.name !== name);
    if (versions.length > 0) return nearestVersions(shape, versions, limit);
    const neighbours = around(
      this.#sorted,
      placeIn(this.#sorted, (other) => other < name),
      NEIGHBOURS,
    );
    return neighbours
      .filter((other) => other !== name)
      .map((other) => ({ other, share: commonShare(name, other) }))
      .filter(({ share }) => share >= ALIKE_SHARE)
      .sort((a, b) => b.share - a.share)
      .slice(0, limit)
      .map(({ other }) => other);
  }
}

/** Index of the first of the sorted `values` that is not before the wanted place. */
function placeIn<Value>(values: readonly Value[], isBefore: (value: Value) => boolean): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(values[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function around<Value>(values: readonly Value[], place: number, count: number): Value[] {
  return values.slice(Math.max(0, place - count), place + count);
}

function compareVersions(a: readonly number[], b: readonly number[]): number {
  const at = agreement(a, b);
  return (a[at] ?? -1) - (b[at] ?? -1);
}

function nearestVersions(shape: NameShape, versions: ShapedName[], limit: number): string[] {
  versions.sort((a, b) => (isNearer(shape.numbers, a.numbers, b.numbers) ? -1 : 1));
  return versions.slice(0, limit).map(({ name }) => name);
}

/** Is version `a` nearer to `wanted` than version `b`: first by how many leading numbers agree, then by the next one. */
function isNearer(wanted: readonly number[], a: readonly number[], b: readonly number[]): boolean {
  const [agreeA, agreeB] = [agreement(wanted, a), agreement(wanted, b)];
  if (agreeA !== agreeB) return agreeA > agreeB;
  const at = (version: readonly number[]): number => version[agreeA] ?? 0;
  const [distanceA, distanceB] = [Math.abs(at(a) - at(wanted)), Math.abs(at(b) - at(wanted))];
  return distanceA === distanceB ? at(a) > at(b) : distanceA < distanceB;
}

function agreement(a: readonly number[], b: readonly number[]): number {
  let count = 0;
  while (count < a.length && count < b.length && a[count] === b[count]) count++;
  return count;
}

function commonShare(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let end = 0;
  while (end < shorter - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return (start + end) / Math.max(a.length, b.length);
}

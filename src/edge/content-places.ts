import type { ContentId } from "../core/content-id.ts";
import { type AssignedPlace, bundleOf, type PlaceOf, sliceOf } from "../plan/assigned-cut.ts";
import type { BundleRecords } from "../store/mirror-index-bundles.ts";

/** Hex digits that a number holds exactly; two of 2.2 million contents share them once in 2,000 repositories, and then one goes where the other goes. */
const KEY_DIGITS = 13;
/** Of the table that is filled: chains stay short. */
const MAX_LOAD = 0.5;

/**
 * Which release brought each content and in which slice it lies, by the bundles in the index as they are at the first question. Every file
 * of a release is asked for several times, and a look-up in the index takes 9 µs; the table takes 28 to 36 bytes per content and goes with the run.
 */
export function contentPlaces(bundles: Pick<BundleRecords, "all" | "contents">, quotaBytes: number): PlaceOf {
  let table: PlaceTable | undefined;
  return (content) => (table ??= new PlaceTable(bundles, quotaBytes)).find(content);
}

/** Open addressing over parallel arrays. */
class PlaceTable {
  readonly #keys: Float64Array;
  readonly #slices: Float64Array;
  readonly #ordinals: Uint32Array;
  /** By bundle. */
  readonly #releases: ReadonlyMap<number, number>;
  /** Position in the arrays, plus one; 0: free. */
  readonly #heads: Uint32Array;

  constructor(bundles: Pick<BundleRecords, "all" | "contents">, quotaBytes: number) {
    const rows = bundles.all();
    const count = rows.reduce((sum, { contentCount }) => sum + contentCount, 0);
    this.#keys = new Float64Array(count);
    this.#slices = new Float64Array(count);
    this.#ordinals = new Uint32Array(count);
    this.#heads = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(2, count / MAX_LOAD))));
    this.#releases = new Map(rows.map(({ number, release }) => [number, release]));
    this.#fill(bundles, quotaBytes);
  }

  find(content: ContentId): AssignedPlace | undefined {
    const position = this.#heads[this.#headOf(keyOf(content))]! - 1;
    if (position < 0) return undefined;
    const slice = this.#slices[position]!;
    return { release: this.#releases.get(bundleOf(slice))!, slice, ordinal: this.#ordinals[position]! };
  }

  /** Bundles come in the order of their numbers: of a content in two of them the newer counts. */
  #fill(bundles: Pick<BundleRecords, "contents">, quotaBytes: number): void {
    let position = 0;
    let current = 0;
    let offsetBytes = 0;
    for (const { bundle, ordinal, content, lengthBytes } of bundles.contents()) {
      if (bundle !== current) offsetBytes = 0;
      current = bundle;
      const key = keyOf(content);
      this.#keys[position] = key;
      this.#slices[position] = sliceOf(bundle, offsetBytes, quotaBytes);
      this.#ordinals[position] = ordinal;
      this.#heads[this.#headOf(key)] = ++position;
      offsetBytes += lengthBytes;
    }
  }

  /** Where the key stands, or the first free head for it. */
  #headOf(key: number): number {
    const mask = this.#heads.length - 1;
    let head = (key % 0x1_0000_0000) & mask;
    for (let found = this.#heads[head]!; found !== 0 && this.#keys[found - 1] !== key; found = this.#heads[head]!)
      head = (head + 1) & mask;
    return head;
  }
}

function keyOf(content: ContentId): number {
  return Number.parseInt(content.slice(0, KEY_DIGITS), 16);
}

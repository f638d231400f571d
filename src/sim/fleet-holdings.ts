import { MAX_BUNDLE_BYTES } from "../core/bundle-layout.ts";
import type { ContentPlace } from "../tracker/content-holders.ts";
import type { HoldingsReport } from "../tracker/holdings.ts";
import type { FleetFile } from "./fleet-workload.ts";

/** One bundle per release, contents in order of the files. */
export function placesOf(files: readonly FleetFile[]): readonly ContentPlace[] {
  const counts = new Map<number, number>();
  return files.map(({ release }) => {
    const ordinal = counts.get(release) ?? 0;
    counts.set(release, ordinal + 1);
    return { bundle: release + 1, ordinal, sinceRelease: release + 1 };
  });
}

/** In which bundle of at most 4 GiB each file is fetched, in order of the releases and of the files within one. */
export function bundlesOf(files: readonly FleetFile[]): readonly number[] {
  const bundles = new Array<number>(files.length);
  const releases = new Map<number, number[]>();
  for (const [file, { release }] of files.entries()) {
    const ofRelease = releases.get(release);
    if (ofRelease === undefined) releases.set(release, [file]);
    else ofRelease.push(file);
  }
  let bundle = 0;
  for (const release of [...releases.keys()].sort((a, b) => a - b)) {
    bundle++;
    let bytes = 0;
    for (const file of releases.get(release)!) {
      if (bytes > 0 && bytes + files[file]!.bytes > MAX_BUNDLE_BYTES) {
        bundle++;
        bytes = 0;
      }
      bytes += files[file]!.bytes;
      bundles[file] = bundle;
    }
  }
  return bundles;
}

/** The files that a volunteer has, as bitmaps over bundles. */
export class FleetHoldings {
  readonly #places: readonly ContentPlace[];
  readonly #bundles = new Map<number, Uint8Array>();
  readonly #bytesOfBundle = new Map<number, number>();
  #report: HoldingsReport = { base: 0, completeRelease: undefined, bundles: new Map() };
  #isReported = true;

  constructor(places: readonly ContentPlace[]) {
    this.#places = places;
    for (const { bundle, ordinal } of places) this.#bytesOfBundle.set(bundle, (ordinal >> 3) + 1);
  }

  has(file: number): boolean {
    const { bundle, ordinal } = this.#places[file]!;
    return ((this.#bundles.get(bundle)?.[ordinal >> 3] ?? 0) & (0x80 >> (ordinal & 7))) !== 0;
  }

  set(file: number, isHeld: boolean): void {
    const { bundle, ordinal } = this.#places[file]!;
    let bits = this.#bundles.get(bundle);
    if (bits === undefined) this.#bundles.set(bundle, (bits = new Uint8Array(this.#bytesOfBundle.get(bundle)!)));
    const bit = 0x80 >> (ordinal & 7);
    bits[ordinal >> 3] = isHeld ? bits[ordinal >> 3]! | bit : bits[ordinal >> 3]! & ~bit;
    this.#isReported = false;
  }

  /** The whole truth, as an announce tells it. */
  report(): HoldingsReport {
    if (this.#isReported) return this.#report;
    this.#isReported = true;
    const bundles = new Map([...this.#bundles].map(([bundle, bits]) => [bundle, bits.slice()]));
    return (this.#report = { base: 0, completeRelease: undefined, bundles });
  }
}

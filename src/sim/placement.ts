import { seededRandom } from "../core/clock.ts";
import type { FleetFile } from "./fleet-workload.ts";

/** What central knows when it says what a volunteer is to have. */
export interface PlacementView {
  readonly files: readonly FleetFile[];
  /** Published so far: files of later releases do not exist yet. */
  readonly releases: number;
  /** Requests so far, by file. */
  readonly requestCounts: Uint32Array;
}

/** The files that a volunteer is to have. */
export type Placement = (view: PlacementView) => readonly number[];

/** Nothing is placed on a full mirror: it has everything. */
export function fullPlacement({ files, releases }: PlacementView): readonly number[] {
  return publishedOf(files, releases);
}

/** A mirror of a part: each file with this probability, the same files always. */
export function partialPlacement(share: number, seed: number): Placement {
  const draws = new Map<number, number>();
  const random = seededRandom(seed);
  return ({ files, releases }) => {
    for (let file = draws.size; file < files.length; file++) draws.set(file, random());
    return publishedOf(files, releases).filter((file) => draws.get(file)! < share);
  };
}

/** Of the releases so far. */
export function publishedOf(files: readonly FleetFile[], releases: number): number[] {
  return files.flatMap(({ release }, file) => (release < releases ? [file] : []));
}

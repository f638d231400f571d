import { seededRandom } from "../core/clock.ts";
import { mixedHash } from "../core/rendezvous.ts";
import { assignedPlacement } from "./assigned-placement.ts";
import type { FleetFile } from "./fleet-workload.ts";
import { fullPlacement, type Placement, publishedOf } from "./placement.ts";

/**
 * Of volatile volunteers: `newest-only` is the newest releases, as many as fit, nothing of what was there before the first; `assigned` is what
 * the program's own `--role volatile` holds, which fills what is left with older contents.
 */
export const PLACEMENT_NAMES = ["none", "random", "popular", "newest-only", "assigned", "all"] as const;
export type PlacementName = (typeof PLACEMENT_NAMES)[number];

/** @param quotaBytes what the volunteer donates; `all` is not bound by it */
export function placementNamed(name: PlacementName, quotaBytes: number, seed: number): Placement {
  if (name === "none") return () => [];
  if (name === "all") return fullPlacement;
  if (name === "assigned") return assignedPlacement(quotaBytes, idOf(seed));
  const tieBreaks = new Map<number, number>();
  const random = seededRandom(seed);
  return (view) => {
    const { files, releases, requestCounts } = view;
    for (let file = tieBreaks.size; file < files.length; file++) tieBreaks.set(file, random());
    const rank = (file: number): number => {
      if (name === "random") return 0;
      return name === "popular" ? -requestCounts[file]! : -files[file]!.release;
    };
    const isCandidate = (file: number): boolean => name !== "newest-only" || files[file]!.release > 0;
    const ranked = publishedOf(files, releases)
      .filter(isCandidate)
      .sort((a, b) => rank(a) - rank(b) || tieBreaks.get(a)! - tieBreaks.get(b)!);
    return within(ranked, files, quotaBytes);
  };
}

/** Ids are hashes: neighbouring seeds must not be neighbours. */
function idOf(seed: number): string {
  return mixedHash(0, seed).toString(16).padStart(8, "0");
}

/** The first ones that fit, each; a file that is too large does not keep smaller ones out. */
function within(ranked: readonly number[], files: readonly FleetFile[], quotaBytes: number): number[] {
  let left = quotaBytes;
  return ranked.filter((file) => {
    const { bytes } = files[file]!;
    if (bytes > left) return false;
    left -= bytes;
    return true;
  });
}

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { FleetRequest, FleetWorkload } from "../../src/sim/fleet-workload.ts";
import { DEFAULT_RELEASE_DAY, RELEASE_SECONDS, releaseDayWorkload } from "../../src/sim/release-day-workload.ts";
import { randomBytesOf } from "../../test/support/sample-tree.ts";

/** A release day in small: files of a hundredth, a quiet day in 40 s, the sixteen hours after the release in two minutes. */
export const QUIET_SECONDS = 40;
export const SURGE_SECONDS = 120;
const BYTES_SCALE = 100;
const DAYS = 2;
const RELEASE_DAY_SECONDS = DAYS * 86_400 - RELEASE_SECONDS;
/** So that at the peak customers want about half of what eight mirrors at 5 Mbit/s give. */
const REQUESTS = 600;
/** No file is smaller: central's own `--serve-below`. */
const LEAST_BYTES = 16_384;
/** What partial mirrors leave out, a pattern of rsync's. */
export const LEFT_OUT = "/pool/b";

/** The generator of the simulated release day; files of release 0 and 1. @param customerBytesPerSecond of each customer's line */
export function smallReleaseDay(seed: number, customerBytesPerSecond: number): FleetWorkload {
  const { files, requests } = releaseDayWorkload({
    ...DEFAULT_RELEASE_DAY,
    seed,
    days: DAYS,
    requests: REQUESTS,
    newFiles: [5, 60, 30],
    oldFiles: [8, 80, 40],
  });
  return {
    files: files.map((file) => ({ ...file, bytes: Math.max(LEAST_BYTES, Math.round(file.bytes / BYTES_SCALE)) })),
    publishedSeconds: [0, QUIET_SECONDS],
    requests: requests.map(({ atSeconds, file }): FleetRequest => ({
      atSeconds: inSmall(atSeconds),
      file,
      site: undefined,
      downBytesPerSecond: customerBytesPerSecond,
    })),
    horizonSeconds: QUIET_SECONDS + SURGE_SECONDS,
  };
}

function inSmall(seconds: number): number {
  if (seconds < RELEASE_SECONDS) return (seconds / RELEASE_SECONDS) * QUIET_SECONDS;
  return QUIET_SECONDS + ((seconds - RELEASE_SECONDS) / RELEASE_DAY_SECONDS) * SURGE_SECONDS;
}

/** Half of the files are of the part that partial mirrors leave out. */
export function isLeftOut(file: number): boolean {
  return file % 2 === 1;
}

/** Below the tree. */
export function pathOf(file: number): string {
  return `pool/${isLeftOut(file) ? "b" : "a"}/${file}.bin`;
}

/** The same for the same file, always. */
export function bytesOf(file: number, lengthBytes: number): Buffer {
  return randomBytesOf(file + 1, lengthBytes + 3).subarray(0, lengthBytes);
}

/** Files of one release into a tree. */
export function writeRelease(tree: string, { files }: FleetWorkload, release: number): void {
  files.forEach((one, file) => {
    if (one.release !== release) return;
    const path = join(tree, pathOf(file));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytesOf(file, one.bytes));
  });
}

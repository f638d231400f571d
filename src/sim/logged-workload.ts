import { seededRandom } from "../core/clock.ts";
import type { FleetFile, FleetRequest, FleetWorkload } from "./fleet-workload.ts";
import { lineSpeed } from "./release-day-workload.ts";

/** A download as a log tells it. */
export interface LoggedDownload {
  readonly timeSeconds: number;
  readonly path: string;
  readonly kind: string;
  readonly client: string;
  /** Of the answer; 0 for a redirect. */
  readonly bytes: number;
  /** False: a part of the file, by Range. */
  readonly isWhole: boolean;
  readonly site: string | undefined;
}

/** Files first asked for on the log's first day were there before; what comes later is new. */
const OLD_SECONDS = 86_400;
/** New files of so long a time are one release, published when that time began. */
const RELEASE_SECONDS = 6 * 3_600;

interface LoggedFile {
  readonly kind: string;
  firstSeconds: number;
  bytes: number;
}

interface PlayedDownload extends Pick<LoggedDownload, "path" | "site"> {
  timeSeconds: number;
}

/** Makes a workload of what logs tell, in whatever order they come. Lines of customers and, for new files, the time of publishing are not in logs: see the constants. */
export class LoggedWorkload {
  readonly #files = new Map<string, LoggedFile>();
  readonly #downloads: PlayedDownload[] = [];
  readonly #inParts = new Map<string, PlayedDownload>();
  /** Downloads of files whose size the log does not tell, because all were redirected, say; known after {@link workload}. */
  unsizedCount = 0;

  add({ timeSeconds, path, kind, client, bytes, isWhole, site }: LoggedDownload): void {
    const file = this.#files.get(path);
    if (file === undefined) this.#files.set(path, { kind, firstSeconds: timeSeconds, bytes });
    else {
      file.bytes = Math.max(file.bytes, bytes);
      file.firstSeconds = Math.min(file.firstSeconds, timeSeconds);
    }
    const download = { timeSeconds, path, site };
    if (!isWhole && bytes > 0) {
      // A download in parts is one download, when its first part was asked for.
      const key = `${client} ${path}`;
      const begun = this.#inParts.get(key);
      if (begun !== undefined) {
        begun.timeSeconds = Math.min(begun.timeSeconds, timeSeconds);
        return;
      }
      this.#inParts.set(key, download);
    }
    this.#downloads.push(download);
  }

  /** @returns undefined without a download whose size is known */
  workload(seed: number, medianDownBytesPerSecond: number): FleetWorkload | undefined {
    const random = seededRandom(seed * 7919 + 3);
    const downloads = this.#downloads.toSorted(byTime);
    const begin = downloads[0]?.timeSeconds ?? 0;
    const releases = new Map<number, number>([[0, 0]]);
    const files: FleetFile[] = [];
    const numbers = new Map<string, number>();
    for (const [path, { kind, bytes, firstSeconds }] of this.#inOrder(begin)) {
      if (bytes === 0) continue;
      const publishedSeconds = publishedAfter(firstSeconds - begin);
      if (!releases.has(publishedSeconds)) releases.set(publishedSeconds, releases.size);
      numbers.set(path, files.push({ kind, bytes, release: releases.get(publishedSeconds)! }) - 1);
    }
    const requests = downloads.flatMap(({ timeSeconds, path, site }): FleetRequest[] => {
      const file = numbers.get(path);
      if (file === undefined) this.unsizedCount++;
      const downBytesPerSecond = lineSpeed(medianDownBytesPerSecond, random);
      return file === undefined ? [] : [{ atSeconds: timeSeconds - begin, file, site, downBytesPerSecond }];
    });
    if (requests.length === 0) return undefined;
    const horizonSeconds = requests.at(-1)!.atSeconds + 1;
    return { files, publishedSeconds: [...releases.keys()], requests, horizonSeconds };
  }

  /** By the first request, so that releases come in order. */
  #inOrder(begin: number): readonly (readonly [string, LoggedFile])[] {
    return [...this.#files].sort(
      ([aPath, a], [bPath, b]) =>
        publishedAfter(a.firstSeconds - begin) - publishedAfter(b.firstSeconds - begin) || compare(aPath, bPath),
    );
  }
}

/** At one time by their names, so that the order in which logs are given says nothing. */
function byTime(a: PlayedDownload, b: PlayedDownload): number {
  return a.timeSeconds - b.timeSeconds || compare(a.path, b.path) || compare(a.site ?? "", b.site ?? "");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function publishedAfter(seconds: number): number {
  return seconds < OLD_SECONDS ? 0 : Math.floor(seconds / RELEASE_SECONDS) * RELEASE_SECONDS;
}

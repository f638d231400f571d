import type { PlannedFile } from "./paper-repository.ts";
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { accessLine, accessStamp } from "../../src/report/access-line.ts";

/**
 * Logs of the shape that the PRsync paper measured (papers C9, C10, C15–C20): ten days of a server's access log, and the transfer
 * log of an rsync daemon that 40 edge nodes synchronise with over 35 days. What is asked for lies in a planned tree.
 */
export const PAPER_LOGS = {
  imageShare: 0.71,
  packageShare: 0.23,
  days: 10,
  mirrors: 40,
  mirrorDays: 35,
  meanHours: 1.81,
  leastHours: 0.54,
  mostHours: 20.53,
  tools: 15,
} as const;

/** What is to be found again beside the paper's own figures. */
export interface LogPlan {
  readonly seed: number;
  /** Downloads of packages; those of images and the rest follow from their shares of the bytes. */
  readonly packageDownloads: number;
  /** Families of variants whose members the same customers take. */
  readonly groups: number;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const BEGIN_MS = Date.UTC(2026, 4, 4);
const CUSTOMERS = 4000;
const CUSTOMERS_PER_GROUP = 12;
/** Share of the files that come out during the log. */
const NEW_SHARE = 0.5;
/** Mean age at which a new file is asked for: 1 − e^(−72/36) = 86 % come within 72 hours. */
const MEAN_AGE_HOURS = 36;

const TOOLS = [
  "Debian APT-HTTP/1.3 (2.6.1)",
  "libdnf (Fedora Linux 40; workstation; Linux.x86_64)",
  "urlgrabber/3.10 yum/3.4.3",
  "ZYpp 17.31 (curl 8.0.1)",
  "Wget/1.21.3",
  "curl/8.5.0",
  "pacman/6.1.0 (Linux x86_64) libalpm/14.0.0",
  "aria2/1.36.0",
  "python-requests/2.31.0",
  "Go-http-client/1.1",
  "lftp/4.9.2",
  "jigdo/0.7.3",
  "apt-cacher-ng/3.7",
  "anaconda/38.23",
  "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
] as const;

export interface PlannedGroup {
  readonly files: readonly string[];
}

/** Families of packages of which all members are in the tree: the first `count` of them. */
export function plannedGroups(plan: readonly PlannedFile[], count: number): PlannedGroup[] {
  const families = Map.groupBy(
    plan.filter(({ path }) => /-v\d+\.pkg$/.test(path)),
    ({ family }) => family,
  );
  return [...families.values()]
    .filter((members) => members.length > 1)
    .slice(0, count)
    .map((members) => ({ files: members.map(({ path }) => `/${path}`) }));
}

interface Download {
  readonly timeMs: number;
  readonly client: number;
  readonly path: string;
  readonly bytes: number;
}

/** Lines of a combined log in order of time, each with its end. */
export function paperAccessLog(plan: readonly PlannedFile[], logs: LogPlan): string[] {
  const random = seededRandom(logs.seed);
  const groups = plannedGroups(plan, logs.groups);
  const grouped = new Set(groups.flatMap(({ files }) => files));
  const files = plan
    .filter(({ path }) => !grouped.has(`/${path}`))
    .map((file) => ({ ...file, releasedMs: random() < NEW_SHARE ? random() * PAPER_LOGS.days * DAY_MS : undefined }));
  const kinds = Map.groupBy(files, ({ path }) =>
    path.endsWith(".iso") ? "image" : path.endsWith(".pkg") ? "package" : "rest",
  );
  const sizes = new Map(plan.map(({ path, bytes }) => [`/${path}`, bytes]));
  const downloads: Download[] = groups.flatMap(({ files: members }, group) => groupDownloads(members, group, sizes));
  let packageBytes = downloads.reduce((sum, { bytes }) => sum + bytes, 0);
  while (downloads.length < logs.packageDownloads) {
    const download = draw(kinds.get("package")!, random);
    downloads.push(download);
    packageBytes += download.bytes;
  }
  const allBytes = packageBytes / PAPER_LOGS.packageShare;
  fill(downloads, kinds.get("image")!, { bytes: allBytes * PAPER_LOGS.imageShare, random });
  fill(downloads, kinds.get("rest")!, {
    bytes: allBytes * (1 - PAPER_LOGS.imageShare - PAPER_LOGS.packageShare),
    random,
  });
  return downloads.sort((a, b) => a.timeMs - b.timeMs).map((download) => lineOf(download));
}

/** Each of a group's customers takes all of its members, on some day of the second half. */
function groupDownloads(members: readonly string[], group: number, sizes: ReadonlyMap<string, number>): Download[] {
  return Array.from({ length: CUSTOMERS_PER_GROUP }, (_, n) => CUSTOMERS + group * CUSTOMERS_PER_GROUP + n).flatMap(
    (client) =>
      members.map((path, index) => ({
        timeMs: BEGIN_MS + (1 + ((client * 7) % 8)) * DAY_MS + ((client * 7919) % 80_000) * 1000 + index * 2000,
        client,
        path,
        bytes: sizes.get(path)!,
      })),
  );
}

interface ReleasedFile extends PlannedFile {
  /** Since the log's begin; undefined for files that are older. */
  readonly releasedMs: number | undefined;
}

function draw(files: readonly ReleasedFile[], random: Random): Download {
  for (;;) {
    const file = files[Math.floor(files.length * random())]!;
    const sinceBeginMs =
      file.releasedMs === undefined
        ? random() * PAPER_LOGS.days * DAY_MS
        : file.releasedMs - Math.log(1 - random()) * MEAN_AGE_HOURS * HOUR_MS;
    if (sinceBeginMs >= PAPER_LOGS.days * DAY_MS) continue;
    const client = Math.floor(CUSTOMERS * random() ** 2);
    return { timeMs: BEGIN_MS + sinceBeginMs, client, path: `/${file.path}`, bytes: file.bytes };
  }
}

/** Draws until so many bytes are there; the last one is the nearest. */
function fill(
  downloads: Download[],
  files: readonly ReleasedFile[],
  { bytes, random }: { readonly bytes: number; readonly random: Random },
): void {
  let missing = bytes;
  while (missing > 0) {
    const download = draw(files, random);
    if (download.bytes > 2 * missing) break;
    downloads.push(download);
    missing -= download.bytes;
  }
}

function lineOf({ timeMs, client, path, bytes }: Download): string {
  const request = { address: addressOf(client), method: "GET", target: path, httpVersion: "1.1" };
  const userAgent = TOOLS[client % TOOLS.length]!;
  return `${accessLine({ ...request, status: 200, bodyBytes: bytes, referer: undefined, userAgent }, accessStamp(timeMs))}\n`;
}

function addressOf(client: number): string {
  return `10.${(client >> 8) & 255}.${client & 255}.${1 + (client % 250)}`;
}

/** Transfer log of an rsync daemon: a session per mirror and day, hours as the paper's. */
export function paperRsyncLog(plan: readonly PlannedFile[], seed: number): string[] {
  const random = seededRandom(seed);
  const { mirrors, mirrorDays } = PAPER_LOGS;
  const hours = sessionHours(mirrors * mirrorDays, random);
  const lines: { readonly timeMs: number; readonly text: string }[] = [];
  hours.forEach((length, number) => {
    const [mirror, day] = [number % mirrors, Math.floor(number / mirrors)];
    // It begins so that it ends on its day.
    const fromMs = BEGIN_MS + day * DAY_MS + random() * (24 - length - 0.01) * HOUR_MS;
    lines.push(
      ...sessionLines({ mirror, process: 1000 + number, fromMs, untilMs: fromMs + length * HOUR_MS }, plan, random),
    );
  });
  return lines.sort((a, b) => a.timeMs - b.timeMs).map(({ text }) => text);
}

/** Long-tailed between the paper's least and most, which both occur, with its mean. */
function sessionHours(count: number, random: Random): number[] {
  const { leastHours, mostHours, meanHours } = PAPER_LOGS;
  const weights = Array.from({ length: count - 2 }, () => Math.exp(0.9 * normal(random)));
  const wanted = count * meanHours - leastHours - mostHours;
  let factor = 1;
  let hours: number[] = [];
  for (let round = 0; round < 60; round++) {
    hours = weights.map((weight) => Math.min(mostHours, Math.max(leastHours, weight * factor)));
    factor *= wanted / hours.reduce((sum, length) => sum + length, 0);
  }
  const middle = hours.length >> 1;
  return [...hours.slice(0, middle), leastHours, mostHours, ...hours.slice(middle)];
}

function sessionLines(
  {
    mirror,
    process,
    fromMs,
    untilMs,
  }: { readonly mirror: number; readonly process: number; readonly fromMs: number; readonly untilMs: number },
  plan: readonly PlannedFile[],
  random: Random,
): { readonly timeMs: number; readonly text: string }[] {
  const address = `172.16.${mirror}.1`;
  const line = (timeMs: number, text: string): { timeMs: number; text: string } => {
    const stamp = new Date(timeMs).toISOString().slice(0, 19).replaceAll("-", "/").replace("T", " ");
    return { timeMs, text: `${stamp} [${process}] ${text}\n` };
  };
  const sent = Array.from({ length: 5 }, (_, index) => {
    const file = plan[Math.floor(plan.length * random())]!;
    const at = fromMs + ((index + 1) / 6) * (untilMs - fromMs);
    return line(at, `send edge-${mirror} [${address}] tree () ${file.path} ${file.bytes}`);
  });
  return [
    line(fromMs, `connect from edge-${mirror} (${address})`),
    ...sent,
    line(untilMs, "sent 247 bytes  received 75 bytes  total size 8"),
  ];
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

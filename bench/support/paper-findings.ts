import type { AnalysisReport } from "../../src/analyze/analysis-report.ts";
import { PAPER_LOGS, type PlannedGroup } from "./paper-logs.ts";
import type { MeasuredShape } from "./paper-shape.ts";

/** One figure of the paper, as it was generated and as analyze found it. */
export interface Finding {
  readonly row: string;
  readonly figure: string;
  readonly unit: string;
  /** A text where the paper gives a bound. */
  readonly paper: number | string;
  readonly generated: number;
  readonly found: number;
  /** How far `found` may be from `generated`, and that from the paper. */
  readonly tolerance: number;
  readonly agrees: boolean;
}

/** What was generated, by a plain reading of the lines. */
export interface GeneratedLogs {
  readonly shape: MeasuredShape;
  readonly accessLines: readonly string[];
  readonly rsyncLines: readonly string[];
  readonly groups: readonly PlannedGroup[];
}

/** Found from the access log and the tree, and from the transfer log. */
export interface FoundReports {
  readonly access: AnalysisReport;
  readonly rsync: AnalysisReport;
}

const SMALL_BYTES = 1_000_000;

/** The paper's figures beside what was generated and what analyze found. */
export function paperFindings(generated: GeneratedLogs, { access, rsync }: FoundReports): Finding[] {
  const { shape } = generated;
  const tree = access.tree!;
  const lines = generated.accessLines.map(readLine);
  const bytes = sum(lines.map((line) => line.bytes));
  const ofKind = (ending: RegExp): number =>
    percent(sum(lines.filter(({ path }) => ending.test(path)).map((line) => line.bytes)) / bytes);
  const hours = sessionHours(generated.rsyncLines);
  const images = percent(access.kinds.image.bytes / access.bytes);
  const packages = percent(access.kinds.package.bytes / access.bytes);
  const { smallShareOfRequests } = access.sizes;
  return [
    finding(["C11", "files", "files"], shape.files, shape.files, tree.files, 0),
    finding(["C12", "files below 1 MB", "%"], 91, percent(shape.smallFilesShare), percent(tree.smallShareOfFiles), 1),
    finding(
      ["C12", "bytes in files above", "%"],
      "> 90",
      percent(shape.largeBytesShare),
      percent(tree.largeShareOfBytes),
      0.1,
    ),
    finding(
      ["C13", "large files identical", "%"],
      17,
      percent(shape.twinFilesShare),
      percent(tree.identical.shareOfLargeFiles),
      1,
    ),
    finding(
      ["C14", "source packages of these", "%"],
      17,
      percent(shape.sourceFilesOfTwins),
      percent(tree.identical.sourceShareOfFiles),
      5,
    ),
    finding(
      ["C14", "their bytes of these", "%"],
      30,
      percent(shape.sourceBytesOfTwins),
      percent(tree.identical.sourceShareOfBytes),
      3,
    ),
    finding(
      ["C15", "groups of variants", "groups"],
      "strong",
      generated.groups.length,
      foundGroups(access, generated.groups),
      0,
    ),
    finding(["C16", "images of the bytes", "%"], 100 * PAPER_LOGS.imageShare, ofKind(/\.iso$/), images, 1),
    finding(["C16", "update packages", "%"], 100 * PAPER_LOGS.packageShare, ofKind(/\.pkg$/), packages, 1),
    finding(["C16", "the rest", "%"], 6, ofKind(/\.src\.rpm$/), 100 - images - packages, 1),
    finding(
      ["C17", "downloads of small files", "%"],
      "> 50",
      smallDownloads(lines),
      percent(smallShareOfRequests),
      0.1,
    ),
    finding(
      ["C18", "within 72 h of a new file's first", "%"],
      "> 50",
      newWithin(lines),
      percent(access.flashCrowds.shareOfRequestsForNewFiles),
      0.1,
    ),
    finding(["C20", "tools", "tools"], PAPER_LOGS.tools, agentsIn(generated.accessLines), access.tools.top.length, 0),
    finding(
      ["C10", "edge nodes", "mirrors"],
      PAPER_LOGS.mirrors,
      mirrorsIn(generated.rsyncLines),
      rsync.syncTimes.mirrors,
      0,
    ),
    finding(
      ["C9", "hours a day, mean", "h"],
      PAPER_LOGS.meanHours,
      sum(hours) / hours.length,
      rsync.syncTimes.meanHours ?? NaN,
      0.01,
    ),
    finding(["C9", "least", "h"], PAPER_LOGS.leastHours, Math.min(...hours), rsync.syncTimes.leastHours ?? NaN, 0.01),
    finding(["C9", "most", "h"], PAPER_LOGS.mostHours, Math.max(...hours), rsync.syncTimes.mostHours ?? NaN, 0.01),
  ];
}

function finding(
  [row, figure, unit]: readonly [string, string, string],
  ...[paper, generated, found, tolerance]: readonly [number | string, number, number, number]
): Finding {
  const bound = typeof paper === "number" ? undefined : Number(/^> (\d+)$/.exec(paper)?.[1] ?? -Infinity);
  const isPapers = bound === undefined ? Math.abs(generated - Number(paper)) <= tolerance : generated > bound;
  const agrees = isPapers && Math.abs(found - generated) <= tolerance;
  return { row, figure, unit, paper, generated, found, tolerance, agrees };
}

interface ReadLine {
  readonly timeMs: number;
  readonly path: string;
  readonly bytes: number;
}

function readLine(line: string): ReadLine {
  const [, day, month, rest, path, bytes] =
    /\[(\d\d)\/(\w{3})\/(\d{4}:\d\d:\d\d:\d\d) \+0000\] "GET (\S+) HTTP\/1.1" 200 (\d+) /.exec(line)!;
  const timeMs = Date.parse(`${day} ${month} ${rest!.replace(":", " ")} UTC`);
  return { timeMs, path: path!, bytes: Number(bytes) };
}

function smallDownloads(lines: readonly ReadLine[]): number {
  return percent(lines.filter(({ bytes }) => bytes < SMALL_BYTES).length / lines.length);
}

/** Of files first asked for a day after the log's begin or later, and 72 hours before its end or earlier. */
function newWithin(lines: readonly ReadLine[]): number {
  const [begin, end] = [lines[0]!.timeMs, lines.at(-1)!.timeMs];
  const flashMs = 72 * 3_600_000;
  const files = [...Map.groupBy(lines, ({ path }) => path).values()].filter(
    ([first]) => first!.timeMs >= begin + 86_400_000 && first!.timeMs <= end - flashMs,
  );
  const within = files.flatMap((requests) => requests.filter(({ timeMs }) => timeMs <= requests[0]!.timeMs + flashMs));
  return percent(within.length / files.flat().length);
}

/** User-Agents: each is another tool's. */
function agentsIn(lines: readonly string[]): number {
  return new Set(lines.map((line) => /"([^"]*)"\n$/.exec(line)![1])).size;
}

/** Addresses that connected. */
function mirrorsIn(lines: readonly string[]): number {
  return new Set(lines.flatMap((line) => /connect from \S+ \((\S+)\)\n$/.exec(line)?.[1] ?? [])).size;
}

/** From connect to the last word of each process. */
function sessionHours(lines: readonly string[]): number[] {
  const timeOf = (line: string): number => Date.parse(`${line.slice(0, 19).replaceAll("/", "-").replace(" ", "T")}Z`);
  const byProcess = Map.groupBy(lines, (line) => /\[(\d+)\]/.exec(line)![1]!);
  return [...byProcess.values()].map((session) => (timeOf(session.at(-1)!) - timeOf(session[0]!)) / 3_600_000);
}

/** Groups that were planted and found file by file, less those found that nobody planted. */
function foundGroups({ groups }: AnalysisReport, planted: readonly PlannedGroup[]): number {
  const keyOf = (files: readonly string[]): string => files.toSorted().join("\n");
  const known = new Set(planted.map(({ files }) => keyOf(files)));
  const right = groups.groups.filter(({ files }) => known.has(keyOf(files))).length;
  return right - (groups.groups.length - right);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function percent(share: number | null): number {
  return share === null ? NaN : 100 * share;
}

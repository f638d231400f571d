// One release to many mirrors over shaped links: wall time and bytes that central's interface sent, for PRsync, rsync from
// central and libtorrent clients with a small tracker of ours (no other is packaged), beside the bound of Kumar and Ross, and beside what it is where central sends one copy
// and then lets the mirrors finish (the same, unless their lines up are slow).
// `npm run bench -- swarm`, or single rows: `node bench/swarm.ts --work empty,daily --links equal --mirrors 1,5 --programs prsync`
// after `npm run build`; `--quick` moves 8 MiB instead of 64, `--mib 16` that many. The whole grid takes hours: `--merge` puts the rows that count into
// the committed result, in place of the same rows of an earlier run. TCP shares lines by CUBIC, what Linux has unless told otherwise; `--congestion bbr` or `reno` instead
// (a host may use what `sysctl net.ipv4.tcp_allowed_congestion_control` names). Needs root, iproute2, rsync and python3-libtorrent. Each program runs on a host of
// its own (network namespace) whose link `tc tbf` shapes to --mbit (20) each way, or as the kind of links says. rsync is run for 1 and 5 mirrors
// and extrapolated beyond ("~"): central's link is what limits it. A row counts only if the busiest core was idle for a quarter
// of the time or more: twenty mirrors at 20 Mbit/s are too much for two cores, so rows of several rates may stand side by side. The mirrors hold the release before, which is a file of some bytes, or for "daily" all but 1 %. libtorrent is left out
// of "daily" and "partial": it has no releases. In "partial" every other mirror leaves half of the bytes out; the bound is that of whole ones.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printTable, readResult, versionOf, writeResult, type Column, type Row } from "./support/report.ts";
import { LINK_KINDS, SwarmLinks, type LinkKind } from "./support/swarm-links.ts";
import {
  libtorrentSwarm,
  prsyncSwarm,
  rsyncSwarm,
  type SwarmMeasurement,
  type SwarmProgram,
} from "./support/swarm-programs.ts";
import { swarmWork, WORK_KINDS, type WorkKind } from "./support/swarm-work.ts";

const MIB = 2 ** 20;
const MIN_IDLE = 0.25;
const DOES_NOT_COUNT = "no: machine busy";
const MEASURED_RSYNC = [1, 5];
const PROGRAMS: Readonly<Record<string, SwarmProgram>> = {
  prsync: prsyncSwarm,
  rsync: rsyncSwarm,
  libtorrent: libtorrentSwarm,
};

const COLUMNS: readonly Column[] = [
  { key: "work", title: "work" },
  { key: "links", title: "links" },
  { key: "mirrors", title: "mirrors" },
  { key: "megabits", title: "Mbit/s", digits: 1 },
  { key: "mebibytes", title: "MiB" },
  { key: "congestion", title: "TCP" },
  { key: "program", title: "program" },
  { key: "seconds", title: "s", digits: 1 },
  { key: "toBound", title: "s / bound", digits: 2 },
  { key: "toOneCopy", title: "s / bound of one copy", digits: 2 },
  { key: "centralSentBytes", title: "central sent B" },
  { key: "copies", title: "copies", digits: 2 },
  { key: "idle", title: "busiest core idle", digits: 2 },
  { key: "counts", title: "counts" },
];

const { values } = parseArgs({
  options: {
    work: { type: "string", default: WORK_KINDS.join() },
    links: { type: "string", default: LINK_KINDS.join() },
    mirrors: { type: "string", default: "1,5,10,20" },
    programs: { type: "string", default: Object.keys(PROGRAMS).join() },
    mib: { type: "string" },
    mbit: { type: "string", default: "20" },
    congestion: { type: "string", default: "cubic" },
    quick: { type: "boolean", default: false },
    merge: { type: "boolean", default: false },
  },
});
const allowed = readFileSync("/proc/sys/net/ipv4/tcp_allowed_congestion_control", "utf8").trim();
if (!allowed.split(" ").includes(values.congestion)) {
  const setting = `sysctl -w net.ipv4.tcp_allowed_congestion_control="${allowed} ${values.congestion}"`;
  throw new Error(
    `hosts may not use TCP's "${values.congestion}" here: ${setting} as root, or --congestion ${allowed.split(" ")[0]}`,
  );
}
const totalBytes = Number(values.mib ?? (values.quick ? 8 : 64)) * MIB;
const bitsPerSecond = Number(values.mbit) * 1e6;

const setting = { minIdle: MIN_IDLE, rsync: await versionOf("rsync") };
const rows: Row[] = [];
for (const work of chosen(values.work, WORK_KINDS)) {
  for (const links of chosen(values.links, LINK_KINDS)) {
    for (const program of chosen(values.programs, Object.keys(PROGRAMS))) {
      await series(work, links, program);
    }
  }
}
printTable(COLUMNS, rows);

/** After each row: a run of hours may be ended at any time. */
function keep(row: Row): void {
  rows.push(row);
  if (values.merge) writeResult("swarm", { ...setting, rows: mergedWith(earlierRows(), [row]) });
  else writeResult("swarm.local", { ...setting, rows });
}

function earlierRows(): readonly Row[] {
  return (readResult("swarm")?.["rows"] ?? []) as Row[];
}

/** In the order of the scenes; new rows that count take the place of earlier ones. */
function mergedWith(earlier: readonly Row[], measured: readonly Row[]): readonly Row[] {
  const sceneOf = (row: Row): string =>
    JSON.stringify(
      ["work", "links", "program", "mirrors", "megabits", "mebibytes", "congestion"].map((key) => row[key]),
    );
  const rows = new Map(earlier.map((row) => [sceneOf(row), row]));
  for (const row of measured) if (row["counts"] !== DOES_NOT_COUNT) rows.set(sceneOf(row), row);
  const rank = ({ work, links, program, mirrors }: Row): number =>
    ((WORK_KINDS.indexOf(work as WorkKind) * 10 + LINK_KINDS.indexOf(links as LinkKind)) * 10 +
      Object.keys(PROGRAMS).indexOf(String(program).replace(" ~", ""))) *
      1_000 +
    Number(mirrors);
  return [...rows.values()].toSorted((a, b) => rank(a) - rank(b));
}

/** One program with growing numbers of mirrors. */
async function series(work: WorkKind, links: LinkKind, program: string): Promise<void> {
  if (program === "libtorrent" && (work === "daily" || work === "partial")) return;
  const counts = values.mirrors.split(",").map(Number);
  const found: Row[] = [];
  for (const mirrors of counts) {
    const isMeasured = program !== "rsync" || MEASURED_RSYNC.includes(mirrors);
    const row = isMeasured ? await measure({ work, links, program, mirrors }) : extrapolated(found.at(-1), mirrors);
    if (row === undefined) continue;
    found.push(row);
    keep(row);
    printTable(COLUMNS, [row]);
  }
}

interface Scene {
  readonly work: WorkKind;
  readonly links: LinkKind;
  readonly program: string;
  readonly mirrors: number;
}

async function measure(scene: Scene): Promise<Row> {
  const directory = mkdtempSync(join(tmpdir(), "prsync-bench-swarm-"));
  using links = new SwarmLinks(scene.links, scene.mirrors, bitsPerSecond, values.congestion);
  const work = swarmWork(scene.work, totalBytes);
  try {
    const measurement = await PROGRAMS[scene.program]!({ links, work, directory });
    return rowOf(scene, measurement, {
      newBytes: work.newBytes,
      bound: links.boundSeconds(work.newBytes),
      oneCopy: links.oneCopySeconds(work.newBytes),
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function rowOf(
  scene: Scene,
  { seconds, centralSentBytes, idle }: SwarmMeasurement,
  bounds: { readonly newBytes: number; readonly bound: number; readonly oneCopy: number },
): Row {
  const { newBytes, bound, oneCopy } = bounds;
  const ratios = { toBound: seconds / bound, toOneCopy: seconds / oneCopy, copies: centralSentBytes / newBytes };
  return {
    ...scene,
    megabits: bitsPerSecond / 1e6,
    mebibytes: totalBytes / MIB,
    congestion: values.congestion,
    seconds,
    ...ratios,
    centralSentBytes,
    idle,
    counts: idle >= MIN_IDLE ? "yes" : DOES_NOT_COUNT,
  };
}

/** Each mirror costs central's link the same. */
function extrapolated(last: Row | undefined, mirrors: number): Row | undefined {
  if (last === undefined) return undefined;
  const factor = mirrors / Number(last["mirrors"]);
  const scaled = (key: string): number => Number(last[key]) * factor;
  const [seconds, centralSentBytes, copies] = [scaled("seconds"), scaled("centralSentBytes"), scaled("copies")];
  return {
    ...last,
    mirrors,
    program: "rsync ~",
    seconds,
    centralSentBytes,
    copies,
    toBound: undefined,
    toOneCopy: undefined,
    idle: undefined,
  };
}

function chosen<Name extends string>(text: string, known: readonly Name[]): readonly Name[] {
  return text.split(",").map((name) => {
    const found = known.find((other) => other === name);
    if (found === undefined) throw new Error(`expected some of ${known.join(", ")}, got "${name}"`);
    return found;
  });
}

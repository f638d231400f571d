import { formatByteSize } from "../../core/byte-size.ts";
import type { Section } from "../../analyze/section.ts";
import { line, type CurvePlot } from "../../report/curves-svg.ts";
import type { LoadStudy } from "../../sim/load-study.ts";
import type { PlacementRow } from "../../sim/placement-study.ts";
import { fewestVolunteers, type VolunteerRow } from "../../sim/volunteer-study.ts";

const BYTES_PER_MBIT = 125_000;
const COLOURS = ["#222222", "#2a9d6f", "#3b6ea5", "#e08e1b", "#c0392b", "#7a5195", "#8c8c8c", "#ef5675"];
/** More points than these can't be told apart. */
const MOST_POINTS = 330;

/** What was played. */
export interface WorkloadSummary {
  readonly from: "log" | "generator";
  readonly requests: number;
  readonly bytes: number;
  readonly files: number;
  readonly newFiles: number;
  readonly newBytes: number;
  readonly releases: number;
  readonly hours: number;
  readonly sites: number;
}

/** The result of `prsync simulate`; parts that were not asked for are left out. Rates in bytes per second. */
export interface SimulationReport {
  readonly seed: number;
  readonly workload: WorkloadSummary;
  readonly below: number;
  readonly load?: LoadStudy;
  readonly volunteers?: readonly VolunteerRow[];
  readonly placement?: readonly PlacementRow[];
}

/** As JSON: curves at no more points than a plot has. */
export function reportJson({ load, volunteers, placement, below, ...rest }: SimulationReport): string {
  return JSON.stringify({
    ...rest,
    ...(load === undefined
      ? {}
      : { load: load.rows.map((row) => ({ ...row, series: seriesPoints(row.series, load.binSeconds) })) }),
    ...(volunteers === undefined
      ? {}
      : {
          volunteers: {
            belowBytesPerSecond: below,
            fewest: fewestVolunteers(volunteers, below).map(withLinger),
            rows: volunteers.map(withLinger),
          },
        }),
    ...(placement === undefined ? {} : { placement }),
  });
}

/** JSON knows no Infinity: null is a mirror that stays. */
function withLinger<T extends { readonly lingerSeconds: number }>(row: T): T | (T & { readonly lingerSeconds: null }) {
  return row.lingerSeconds === Infinity ? { ...row, lingerSeconds: null } : row;
}

export function simulationSections({
  seed,
  workload,
  load,
  volunteers,
  placement,
  below,
}: SimulationReport): Section[] {
  return [
    workloadSection(seed, workload),
    ...(load === undefined ? [] : [loadSection(load)]),
    ...(volunteers === undefined ? [] : [fewestSection(volunteers, below), volunteerSection(volunteers)]),
    ...(placement === undefined ? [] : [placementSection(placement)]),
  ];
}

function workloadSection(seed: number, workload: WorkloadSummary): Section {
  const { from, requests, bytes, files, newFiles, newBytes, releases, hours, sites } = workload;
  return {
    title: "What is played",
    columns: [],
    rows: [
      ["workload", from === "log" ? "from the logs" : "generated: a release and its flash crowd"],
      ["seed", String(seed)],
      ["time", `${hours.toFixed(0)} h`],
      ["downloads", `${requests}, ${formatByteSize(bytes)}, mean ${mbit(bytes / hours / 3600)} Mbit/s`],
      ["files", `${files}, of them new ${newFiles} with ${formatByteSize(newBytes)} in ${releases} releases`],
      ["sites of customers", String(sites)],
    ],
  };
}

function loadSection({ rows }: LoadStudy): Section {
  return {
    title: "Central's load without volunteers",
    note:
      "a fluid of all downloads: everybody finds everybody, so peers at their best. Caches stand at sites with more than 25 downloads; " +
      "peers give a quarter of what they receive per second. Within a site: the most of peers' bytes that could stay there",
    columns: ["who serves", "bytes of central", "share", "peak of 10 min, Mbit/s", "within a site"],
    rows: rows.map(({ name, bytes, share, peakBytesPerSecond, sameSiteShare }) => [
      name,
      formatByteSize(bytes),
      percent(share),
      mbit(peakBytesPerSecond),
      sameSiteShare === undefined ? "-" : percent(sameSiteShare),
    ]),
  };
}

function fewestSection(rows: readonly VolunteerRow[], below: number): Section {
  const most = Math.max(...rows.map(({ count }) => count));
  return {
    title: `Volunteers that keep central below ${mbit(below)} Mbit/s`,
    note: "in each mean of ten minutes; half of it at most is for mirrors that synchronise. Of the numbers that were tried",
    columns: ["stays", "line up, Mbit/s", "volunteers"],
    rows: fewestVolunteers(rows, below).map(({ linkBytesPerSecond, lingerSeconds, fewest }) => [
      lingerText(lingerSeconds),
      mbit(linkBytesPerSecond),
      fewest === undefined ? `more than ${most}` : String(fewest),
    ]),
  };
}

function volunteerSection(rows: readonly VolunteerRow[]): Section {
  return {
    title: "Mirrors as volunteers",
    note:
      "central's own choice, registry of announces and estimates of loads; customers and the swarm as fluids on the same lines. All are full mirrors; " +
      "who does not stay comes once a day",
    columns: [
      "stays",
      "line up, Mbit/s",
      "volunteers",
      "central's peak, Mbit/s",
      "bytes of central",
      "by volunteers",
      "of these in the site",
      "wait p50, s",
      "p95, s",
      "release complete, min",
    ],
    rows: rows.map((row) => [
      lingerText(row.lingerSeconds),
      mbit(row.linkBytesPerSecond),
      String(row.count),
      mbit(row.originPeakBytesPerSecond),
      formatByteSize(Math.round(row.originBytes)),
      percent(row.volunteerShare),
      percent(row.sameSiteShare),
      row.p50Seconds.toFixed(1),
      row.p95Seconds.toFixed(0),
      row.spreadSeconds === undefined ? "-" : (row.spreadSeconds / 60).toFixed(0),
    ]),
  };
}

function placementSection(rows: readonly PlacementRow[]): Section {
  return {
    title: "Machines that come and go",
    note: "they begin empty, half of them are there at a time, half of their visits are longer than 5 hours; what central has them fetch",
    columns: [
      "placement",
      "by volunteers",
      "replicated",
      "served per replicated",
      "central's peak, Mbit/s",
      "bytes of central",
      "p95, s",
      "cut off",
    ],
    rows: rows.map((row) => [
      row.placement,
      percent(row.servedShare),
      formatByteSize(Math.round(row.replicatedBytes)),
      row.servedPerReplicated.toFixed(2),
      mbit(row.originPeakBytesPerSecond),
      formatByteSize(Math.round(row.originBytes)),
      row.p95Seconds.toFixed(0),
      String(row.interruptions + row.refusedConnections),
    ]),
  };
}

/** Those that were asked for. */
export function simulationPlots({ load, volunteers, placement, below }: SimulationReport): CurvePlot[] {
  return [
    ...(load === undefined ? [] : [loadPlot(load)]),
    ...(volunteers === undefined ? [] : [volunteerPlot(volunteers, below)]),
    ...(placement === undefined ? [] : [placementPlot(placement)]),
  ];
}

function loadPlot({ rows, binSeconds }: LoadStudy): CurvePlot {
  return {
    title: "Central's load without volunteers",
    x: { title: "hours", isLogarithmic: false },
    y: { title: "Mbit/s", isLogarithmic: false },
    curves: rows.map(({ name, series }, i) => line(name, colour(i), seriesPoints(series, binSeconds))),
  };
}

function volunteerPlot(rows: readonly VolunteerRow[], below: number): CurvePlot {
  const groups = Map.groupBy(
    rows,
    (row) => `${lingerText(row.lingerSeconds)}, ${mbit(row.linkBytesPerSecond)} Mbit/s up each`,
  );
  const counts = rows.map(({ count }) => count);
  const limit = [Math.min(...counts), Math.max(...counts)].map((count) => [count, below / BYTES_PER_MBIT] as const);
  return {
    title: "Central's peak with volunteers",
    x: { title: "volunteers", isLogarithmic: false },
    y: { title: "Mbit/s", isLogarithmic: false },
    curves: [
      ...[...groups].map(([name, group], i) => {
        const points = group.map((row) => [row.count, row.originPeakBytesPerSecond / BYTES_PER_MBIT] as const);
        return line(
          name,
          colour(i + 1),
          points.toSorted(([a], [b]) => a - b),
        );
      }),
      { name: "to stay below", colour: COLOURS[0]!, points: limit, style: "dashes" },
    ],
  };
}

function placementPlot(rows: readonly PlacementRow[]): CurvePlot {
  return {
    title: "Central's load with machines that come and go",
    x: { title: "hours", isLogarithmic: false },
    y: { title: "Mbit/s", isLogarithmic: false },
    curves: rows.map(({ placement, samples }, i) =>
      line(
        placement,
        colour(i),
        samples.map(({ endSeconds, originToCustomers, originToVolunteers }) => [
          endSeconds / 3600,
          (originToCustomers + originToVolunteers) / BYTES_PER_MBIT,
        ]),
      ),
    ),
  };
}

/** Hours and Mbit/s; the highest of what is drawn as one point, so that a peak stays one. */
function seriesPoints(series: Float64Array, binSeconds: number): [number, number][] {
  const step = Math.ceil(series.length / MOST_POINTS);
  return Array.from({ length: Math.floor(series.length / step) }, (_, at) => {
    const part = series.subarray(at * step, (at + 1) * step);
    // Sums of parts end a little beside 0.
    const highest = part.reduce((most, value) => Math.max(most, value), 0);
    return [((at + 0.5) * step * binSeconds) / 3600, highest / BYTES_PER_MBIT];
  });
}

function colour(at: number): string {
  return COLOURS[at % COLOURS.length]!;
}

function lingerText(seconds: number): string {
  return seconds === Infinity ? "always" : `${Number((seconds / 3600).toFixed(1))} h a day`;
}

function mbit(bytesPerSecond: number): string {
  return String(Number((bytesPerSecond / BYTES_PER_MBIT).toFixed(1)));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

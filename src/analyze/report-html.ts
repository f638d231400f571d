import { escapeHtml } from "../delivery/html-text.ts";
import { curvesSvg, line, type Axis, type Curve, type CurvePlot } from "../report/curves-svg.ts";
import type { AnalysisReport } from "./analysis-report.ts";
import { reportSections } from "./report-text.ts";
import type { Section } from "./section.ts";

const BLUE = "#3b6ea5";
const RED = "#c0392b";
const GREEN = "#2e8b57";
/** More points than these can't be told apart. */
const MOST_POINTS = 660;

const STYLE =
  "body{font:15px/1.45 sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}" +
  "h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}p{color:#555;margin:.2rem 0 .6rem;max-width:60rem}" +
  "table{border-collapse:collapse}th,td{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid #ddd;" +
  "overflow-wrap:anywhere}th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}";

/** The report as one HTML file that loads nothing: tables as in the text, and plots. What logs say is escaped. */
export function reportHtml(report: AnalysisReport): string {
  const plots = reportPlots(report);
  const svg = plots.length > 0 ? curvesSvg("Downloads", plots) : "";
  return pageHtml({ title: "prsync analyze", heading: "What customers download", svg }, reportSections(report));
}

/** The head of a page; `svg` stands before the sections. */
export interface PageHead {
  readonly title: string;
  readonly heading: string;
  readonly svg: string;
}

/** One HTML file that loads nothing. */
export function pageHtml({ title, heading, svg }: PageHead, sections: readonly Section[]): string {
  return (
    `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>\n` +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n` +
    `<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>\n` +
    `<h1>${escapeHtml(heading)}</h1>\n${svg}${sections.map(sectionHtml).join("\n")}\n</body></html>\n`
  );
}

function sectionHtml({ title, note, columns, rows }: Section): string {
  const head =
    columns.length === 0 ? "" : `<tr>${columns.map((column) => `<th>${escapeHtml(column)}</th>`).join("")}</tr>`;
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`);
  return (
    `<h2>${escapeHtml(title)}</h2>${note === undefined ? "" : `<p>${escapeHtml(note)}</p>`}` +
    `<table>${head}${body.join("\n")}</table>`
  );
}

/** Those that have something to show. */
function reportPlots(report: AnalysisReport): CurvePlot[] {
  const plots = [
    hourPlot(report),
    dayPlot(report),
    sizePlot(report),
    flashPlot(report),
    popularityPlot(report),
    cachePlot(report),
    syncPlot(report),
    likenessPlot(report),
  ];
  return plots.filter(({ curves }) => curves.some(({ points }) => points.length > 1 && points.some(([, y]) => y > 0)));
}

function hourPlot({ hours: { hours } }: AnalysisReport): CurvePlot {
  const first = hours[0]?.hour ?? 0;
  const step = Math.ceil(((hours.at(-1)?.hour ?? first) - first + 1) / MOST_POINTS);
  const sums = new Map<number, number>();
  for (const { hour, requests } of hours) {
    const at = Math.floor((hour - first) / step);
    sums.set(at, (sums.get(at) ?? 0) + requests);
  }
  const length = Math.max(0, ...sums.keys()) + 1;
  const points = Array.from({ length }, (_, at) => [(at * step) / 24, (sums.get(at) ?? 0) / step] as const);
  return plot(
    "Over time",
    [linear("days since the first line"), linear("downloads per hour")],
    [line("downloads", BLUE, points)],
  );
}

function dayPlot({ hours: { byHourOfDay } }: AnalysisReport): CurvePlot {
  const points = byHourOfDay.map((share, hour) => [hour, 100 * share] as const);
  return plot("Over the day", [linear("hour, UTC"), linear("percent of downloads")], [line("downloads", BLUE, points)]);
}

function sizePlot({ sizes: { distribution } }: AnalysisReport): CurvePlot {
  const curve = (name: string, colour: string, share: "files" | "bytes"): Curve =>
    line(
      name,
      colour,
      distribution.map((row) => [row.sizeBytes / 1e6, 100 * row[share]] as const),
    );
  return plot(
    "Sizes",
    [logarithmic("MB"), linear("percent in files up to that")],
    [curve("files", BLUE, "files"), curve("bytes downloaded", RED, "bytes")],
  );
}

function flashPlot({ flashCrowds: { requestsByAgeHours } }: AnalysisReport): CurvePlot {
  const total = requestsByAgeHours.reduce((sum, requests) => sum + requests, 0);
  let sum = 0;
  const points = requestsByAgeHours.map(
    (requests, hour) => [(hour + 1) / 24, (100 * (sum += requests)) / total] as const,
  );
  return plot(
    "Flash crowds: files that were new",
    [linear("days since a file's first download"), linear("percent of downloads within 14 days")],
    [line("downloads", BLUE, points)],
  );
}

function popularityPlot({ popularity: { requestsByRank } }: AnalysisReport): CurvePlot {
  const points = requestsByRank.map(({ rank, requests }) => [rank, requests] as const);
  return plot("Popularity", [logarithmic("rank of the file"), logarithmic("downloads")], [line("files", BLUE, points)]);
}

function cachePlot({ caches: { rows } }: AnalysisReport): CurvePlot {
  const points = (share: "coveredShare" | "savedShare"): (readonly [number, number])[] =>
    rows.map((row) => [row.moreThan, 100 * row[share]] as const);
  return plot(
    "Caches in networks",
    [linear("with more downloads than"), linear("percent of downloads")],
    [line("there (µ)", GREEN, points("coveredShare")), line("saved: µ(1 − 1/S)", RED, points("savedShare"))],
  );
}

function syncPlot({ syncTimes: { days } }: AnalysisReport): CurvePlot {
  const first = days[0]?.day ?? 0;
  return plot(
    "Mirrors that synchronise",
    [linear("days since the first session"), linear("hours per day")],
    [
      line(
        "mean of the mirrors",
        BLUE,
        days.map(({ day, meanHours }) => [day - first, meanHours] as const),
      ),
      line(
        "most of any",
        RED,
        days.map(({ day, mostHours }) => [day - first, mostHours] as const),
      ),
    ],
  );
}

function likenessPlot({ tree }: AnalysisReport): CurvePlot {
  const counts = tree?.similar.byTenths ?? [];
  let sum = 0;
  const points = counts.map((count, tenth) => {
    sum += count;
    return [10 * (tenth + 1), (100 * sum) / tree!.similar.contents] as const;
  });
  return plot(
    "Likeness of the tree's contents",
    [linear("percent that another has, at most"), linear("percent of contents")],
    [
      line(
        "contents of 256 KiB and more",
        BLUE,
        points.filter(([, y]) => Number.isFinite(y)),
      ),
    ],
  );
}

function plot(title: string, [x, y]: readonly [Axis, Axis], curves: readonly Curve[]): CurvePlot {
  return { title, x, y, curves };
}

function linear(title: string): Axis {
  return { title, isLogarithmic: false };
}

function logarithmic(title: string): Axis {
  return { title, isLogarithmic: true };
}

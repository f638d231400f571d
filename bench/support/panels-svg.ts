import { logarithmicTicks } from "../../src/report/logarithmic-ticks.ts";

/** Values over named places on the x axis; undefined leaves a gap. */
export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly values: readonly (number | undefined)[];
  /** A line by default. `dashes`: for what was computed. `rings`: single points, around those of other series. */
  readonly style?: "line" | "dashes" | "rings";
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

/** Panels that share their axes' names, their legend and the scale of y. */
export interface PanelRow {
  readonly title: string;
  readonly xTitle: string;
  readonly xNames: readonly string[];
  readonly yTitle: string;
  /** Text of a tick, with its unit. */
  readonly yText: (value: number) => string;
  readonly panels: readonly Panel[];
}

const PANEL_WIDTH = 230;
const PANEL_HEIGHT = 170;
const GAP_LEFT = 66;
const HEADER_HEIGHT = 66;
const FOOTER_HEIGHT = 56;
const ROW_HEIGHT: number = HEADER_HEIGHT + PANEL_HEIGHT + FOOTER_HEIGHT;
const TITLE_HEIGHT = 40;
const LEGEND_CHARACTER = 6.2;

/** Small multiples of line plots with logarithmic y axes, as SVG text: one row of panels below the other. */
export function panelsSvg(title: string, rows: readonly PanelRow[]): string {
  const columns = Math.max(...rows.map(({ panels }) => panels.length));
  const width = columns * (PANEL_WIDTH + GAP_LEFT) + 24;
  const height = TITLE_HEIGHT + rows.length * ROW_HEIGHT;
  const body = rows.map((row, index) => drawRow(row, TITLE_HEIGHT + index * ROW_HEIGHT));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n` +
    `${text(title, 12, 24, `font-size="16" font-weight="bold"`)}\n${body.join("\n")}\n</svg>\n`
  );
}

function drawRow(row: PanelRow, top: number): string {
  const parts = [text(row.title, 12, top + 14, `font-size="13" font-weight="bold"`), drawLegend(row, top + 32)];
  row.panels.forEach((panel, index) => {
    const left = index * (PANEL_WIDTH + GAP_LEFT) + GAP_LEFT;
    parts.push(drawPanel(panel, row, { left, top: top + HEADER_HEIGHT }));
  });
  return parts.join("\n");
}

function drawLegend({ panels }: PanelRow, y: number): string {
  let x = 16;
  return (panels[0]?.series ?? [])
    .map((series) => {
      const mark =
        series.style === "rings"
          ? ring(x + 11, y - 4, series.colour)
          : `<path d="M${x} ${y - 4}h22" ${strokeOf(series)}/>`;
      const entry = mark + text(series.name, x + 28, y);
      x += 28 + series.name.length * LEGEND_CHARACTER + 16;
      return entry;
    })
    .join("");
}

interface Corner {
  readonly left: number;
  readonly top: number;
}

function drawPanel(panel: Panel, row: PanelRow, { left, top }: Corner): string {
  const values = panel.series.flatMap((series) => series.values.filter((value) => value !== undefined));
  const frame =
    text(panel.title, left, top - 8, `font-weight="bold"`) +
    `<rect x="${left}" y="${top}" width="${PANEL_WIDTH}" height="${PANEL_HEIGHT}" fill="none" stroke="#999"/>`;
  const bottom = top + PANEL_HEIGHT;
  const xOf = (index: number): number => left + ((index + 0.5) / row.xNames.length) * PANEL_WIDTH;
  const xAxis = [
    ...row.xNames.map((name, index) => text(name, xOf(index), bottom + 15, `text-anchor="middle"`)),
    text(row.xTitle, left + PANEL_WIDTH / 2, bottom + 31, `text-anchor="middle" fill="#444"`),
  ].join("");
  const place = `x="${left - 52}" y="${top + PANEL_HEIGHT / 2}"`;
  const yTitle = `<text ${place} text-anchor="middle" fill="#444" transform="rotate(-90 ${left - 52} ${top + PANEL_HEIGHT / 2})">${escaped(row.yTitle)}</text>`;
  if (values.length === 0) {
    return (
      frame + xAxis + text("not simulated", left + PANEL_WIDTH / 2, top + PANEL_HEIGHT / 2, `text-anchor="middle"`)
    );
  }
  const [low, high] = logarithmicEnds(values);
  const yOf = (value: number): number => bottom - (Math.log(value / low) / Math.log(high / low)) * PANEL_HEIGHT;
  const ticks = logarithmicTicks(low, high).map(
    (tick) =>
      `<path d="M${left} ${fixed(yOf(tick))}h${PANEL_WIDTH}" stroke="#e4e4e4"/>` +
      text(row.yText(tick), left - 5, yOf(tick) + 4, `text-anchor="end"`),
  );
  const lines = panel.series.map((series) => drawSeries(series, xOf, yOf));
  return ticks.join("") + frame + xAxis + yTitle + lines.join("");
}

function drawSeries(series: Series, xOf: (index: number) => number, yOf: (value: number) => number): string {
  const points = series.values.flatMap((value, index) =>
    value === undefined ? [] : [{ index, x: xOf(index), y: yOf(value) }],
  );
  if (series.style === "rings") return points.map(({ x, y }) => ring(x, y, series.colour)).join("");
  const path = points.map(({ index, x, y }, i) => {
    const isJoined = points[i - 1]?.index === index - 1;
    return `${isJoined ? "L" : "M"}${fixed(x)} ${fixed(y)}`;
  });
  const dots = points.map(({ x, y }) => `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="2.5" fill="${series.colour}"/>`);
  return `<path d="${path.join("")}" ${strokeOf(series)}/>${dots.join("")}`;
}

function strokeOf({ colour, style }: Series): string {
  return `fill="none" stroke="${colour}" stroke-width="1.8"${style === "dashes" ? ` stroke-dasharray="5 4"` : ""}`;
}

function ring(x: number, y: number, colour: string): string {
  return `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="6" fill="none" stroke="${colour}" stroke-width="1.8"/>`;
}

/** A little room below and above; never less than a third of a decade, lest noise look like a slope. */
export function logarithmicEnds(values: readonly number[]): readonly [number, number] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const spread = Math.max(most / least, 2);
  const middle = Math.sqrt(least * most);
  return [(middle / Math.sqrt(spread)) * 0.9, middle * Math.sqrt(spread) * 1.1];
}

function text(content: string, x: number, y: number, attributes = ""): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped(content)}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

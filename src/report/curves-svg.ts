import { logarithmicTicks } from "./logarithmic-ticks.ts";

export interface Axis {
  readonly title: string;
  readonly isLogarithmic: boolean;
}

/** Points in order of x; `crosses` for what was simulated, lines for what was computed. */
export interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly style: "line" | "dashes" | "crosses";
}

/** One plot over numbers. On a logarithmic axis points at 0 and below are left out. */
export interface CurvePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly curves: readonly Curve[];
}

/** What was computed. */
export function line(name: string, colour: string, points: Curve["points"]): Curve {
  return { name, colour, points, style: "line" };
}

/** What was simulated. */
export function crosses(name: string, colour: string, points: Curve["points"]): Curve {
  return { name, colour, points, style: "crosses" };
}

const WIDTH = 330;
const HEIGHT = 220;
const LEFT = 64;
const ABOVE = 30;
const BELOW = 46;
const LEGEND_LINE = 14;
const PLOTS_PER_ROW = 3;
const TITLE_HEIGHT = 40;

/** Plots in rows of three below a title, as SVG text that needs nothing else. */
export function curvesSvg(title: string, plots: readonly CurvePlot[]): string {
  const mostCurves = Math.max(...plots.map(({ curves }) => curves.length));
  const cellHeight = ABOVE + HEIGHT + BELOW + mostCurves * LEGEND_LINE + 16;
  const width = PLOTS_PER_ROW * (WIDTH + LEFT + 16) + 16;
  const height = TITLE_HEIGHT + Math.ceil(plots.length / PLOTS_PER_ROW) * cellHeight;
  const cells = plots.map((plot, index) =>
    drawPlot(plot, {
      left: (index % PLOTS_PER_ROW) * (WIDTH + LEFT + 16) + LEFT,
      top: TITLE_HEIGHT + Math.floor(index / PLOTS_PER_ROW) * cellHeight + ABOVE,
    }),
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n` +
    `${text(title, 12, 24, `font-size="16" font-weight="bold"`)}\n${cells.join("\n")}\n</svg>\n`
  );
}

interface Corner {
  readonly left: number;
  readonly top: number;
}

function drawPlot(plot: CurvePlot, { left, top }: Corner): string {
  const isShown = ([x, y]: readonly [number, number]): boolean =>
    (!plot.x.isLogarithmic || x > 0) && (!plot.y.isLogarithmic || y > 0);
  const curves = plot.curves.map((curve) => ({ ...curve, points: curve.points.filter(isShown) }));
  const points = curves.flatMap((curve) => curve.points);
  const xs = scaleOf(
    plot.x,
    points.map(([x]) => x),
  );
  const ys = scaleOf(
    plot.y,
    points.map(([, y]) => y),
  );
  const xOf = (x: number): number => left + xs.shareOf(x) * WIDTH;
  const yOf = (y: number): number => top + (1 - ys.shareOf(y)) * HEIGHT;
  const bottom = top + HEIGHT;
  const grid = [
    ...xs.ticks.map((x) => `<path d="M${fixed(xOf(x))} ${top}v${HEIGHT}" stroke="#e8e8e8"/>`),
    ...ys.ticks.map((y) => `<path d="M${left} ${fixed(yOf(y))}h${WIDTH}" stroke="#e8e8e8"/>`),
    ...xs.ticks.map((x) => text(tickText(x), xOf(x), bottom + 14, `text-anchor="middle"`)),
    ...ys.ticks.map((y) => text(tickText(y), left - 4, yOf(y) + 4, `text-anchor="end"`)),
  ];
  const middle = top + HEIGHT / 2;
  const labels = [
    text(plot.title, left, top - 10, `font-weight="bold"`),
    text(plot.x.title, left + WIDTH / 2, bottom + 30, `text-anchor="middle" fill="#444"`),
    text(
      plot.y.title,
      left - 50,
      middle,
      `text-anchor="middle" fill="#444" transform="rotate(-90 ${left - 50} ${middle})"`,
    ),
    `<rect x="${left}" y="${top}" width="${WIDTH}" height="${HEIGHT}" fill="none" stroke="#999"/>`,
  ];
  const legend = curves.map((curve, index) => {
    const y = bottom + BELOW + index * LEGEND_LINE;
    const sample = {
      ...curve,
      points:
        curve.style === "crosses"
          ? [[11, 0] as const]
          : ([
              [0, 0],
              [22, 0],
            ] as const),
    };
    return (
      drawCurve(
        sample,
        (x) => left + x,
        () => y - 4,
      ) + text(curve.name, left + 28, y)
    );
  });
  return [...grid, ...curves.map((curve) => drawCurve(curve, xOf, yOf)), ...labels, ...legend].join("");
}

function drawCurve(curve: Curve, xOf: (x: number) => number, yOf: (y: number) => number): string {
  const { colour, points, style } = curve;
  if (style === "crosses") {
    const crosses = points.map(([x, y]) => `M${fixed(xOf(x) - 3)} ${fixed(yOf(y) - 3)}l6 6m-6 0l6 -6`);
    return `<path d="${crosses.join("")}" fill="none" stroke="${colour}" stroke-width="1.4"/>`;
  }
  const path = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${fixed(xOf(x))} ${fixed(yOf(y))}`);
  const dashes = style === "dashes" ? ` stroke-dasharray="5 4"` : "";
  return `<path d="${path.join("")}" fill="none" stroke="${colour}" stroke-width="1.6"${dashes}/>`;
}

interface Scale {
  readonly ticks: readonly number[];
  /** Place between the ends, 0 … 1. */
  readonly shareOf: (value: number) => number;
}

function scaleOf({ isLogarithmic }: Axis, values: readonly number[]): Scale {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (isLogarithmic) {
    const [least, most] = [low / 1.15, high * 1.15];
    const ticks = logarithmicTicks(least, most).filter((_, i, all) => all.length < 9 || i % 2 === 0);
    return { ticks, shareOf: (value) => Math.log(value / least) / Math.log(most / least) };
  }
  const least = Math.min(0, low);
  const step = roundStep((high - least) / 5);
  const most = Math.ceil(high / step - 1e-6) * step;
  const ticks = Array.from({ length: Math.round((most - least) / step) + 1 }, (_, i) => least + i * step);
  return { ticks, shareOf: (value) => (value - least) / (most - least) };
}

/** 1, 2 or 5 times a power of ten, at least `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= step * (1 - 1e-9))!;
}

function tickText(value: number): string {
  if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3))
    return value.toExponential().replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}

function text(content: string, x: number, y: number, attributes = ""): string {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

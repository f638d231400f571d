import {
  DELTA_SIZES,
  MIRRORS,
  newFileCost,
  newFileModel,
  SQRT,
  SWARM_SIZES,
  totalSeconds,
  type NewFileCell,
  type UpdateCell,
} from "./chunk-cells.ts";
import { panelsSvg, type Panel, type PanelRow, type Series } from "./panels-svg.ts";

const COLOURS = ["#3b6ea5", "#2a9d6f", "#e08e1b", "#8a5fa8"] as const;
const COUPLED = "#c0392b";
const MOST = MIRRORS.at(-1)!;
/** Panels of one row. */
const MOST_PANELS = 4;

/** Bytes and times over both sizes, a panel per file size, as SVG text. */
export function chunkSizePlot(updates: readonly UpdateCell[], news: readonly NewFileCell[]): string {
  const changed = [...Map.groupBy(updates, ({ fileBytes }) => fileBytes)];
  // Sizes that could not be simulated for all mirrors would leave an empty panel.
  const whole = [...Map.groupBy(news, ({ fileBytes }) => fileBytes)].filter(([, cells]) =>
    cells.some((cell) => newFileCost(cell, MOST) !== undefined),
  );
  return panelsSvg("Chunk sizes: what is found against how it is spread", [
    {
      ...BYTES_ROW,
      panels: changed.map(([size, cells]) => ({ title: `${megabytes(size)} changed`, series: bytesOf(cells) })),
    },
    {
      ...TIME_ROW,
      panels: changed.map(([size, cells]) => ({ title: `${megabytes(size)} changed`, series: timesOf(cells) })),
    },
    {
      ...NEW_ROW,
      panels: whole.slice(0, MOST_PANELS).map(([size, cells]): Panel => ({
        title: `${megabytes(size)} new`,
        series: costsOf(cells),
      })),
    },
  ]);
}

const BYTES_ROW: Omit<PanelRow, "panels"> = {
  title: "A changed file: bytes moved per mirror (signature, piece hashes, content, requests)",
  xTitle: "delta size (signature block)",
  xNames: [...DELTA_SIZES.keys()],
  yTitle: "bytes per mirror",
  yText: megabytes,
};

const TIME_ROW: Omit<PanelRow, "panels"> = {
  title: `A changed file: seconds until the last of ${MOST} mirrors has it (simulated, lines of 20 Mbit/s)`,
  xTitle: "swarm size (piece)",
  xNames: [...SWARM_SIZES.keys()],
  yTitle: "seconds",
  yText: (seconds) => `${Number(seconds.toPrecision(3))} s`,
};

const NEW_ROW: Omit<PanelRow, "panels"> = {
  title: "A new file, nobody has any of it: time as a multiple of the file's time on one line",
  xTitle: "swarm size (piece)",
  xNames: [...SWARM_SIZES.keys()],
  yTitle: "time × line speed / file",
  yText: (cost) => `${Number(cost.toPrecision(3))} ×`,
};

function bytesOf(cells: readonly UpdateCell[]): Series[] {
  const over = (colour: string, name: string, pick: (delta: string) => number | undefined): Series => ({
    name,
    colour,
    values: [...DELTA_SIZES.keys()].map(pick),
  });
  const splitCell = (delta: string, swarm: string): UpdateCell | undefined =>
    cells.find((cell) => cell.mode === "split" && cell.delta === delta && cell.swarm === swarm);
  return [
    over(COLOURS[0], "split: exact ranges of 64K pieces", (delta) => splitCell(delta, "64K")?.fetch.totalBytes),
    over(COLOURS[1], "whole pieces of 64K", (delta) => splitCell(delta, "64K")?.wholeFetch.totalBytes),
    over(COLOURS[2], "whole pieces of 1M", (delta) => splitCell(delta, "1M")?.wholeFetch.totalBytes),
    coupledRings(cells, [...DELTA_SIZES.keys()], ({ fetch }) => fetch.totalBytes),
  ];
}

function timesOf(cells: readonly UpdateCell[]): Series[] {
  const lines = [...DELTA_SIZES.keys()].map((delta, index): Series => {
    const own = cells.filter((cell) => cell.mode === "split" && cell.delta === delta);
    const values = [...SWARM_SIZES.keys()].map((swarm) => {
      const cell = own.find((one) => one.swarm === swarm);
      return cell && totalSeconds(cell, MOST);
    });
    return { name: `split, delta ${delta}`, colour: COLOURS[index]!, values };
  });
  return [...lines, coupledRings(cells, [...SWARM_SIZES.keys()], (cell) => totalSeconds(cell, MOST))];
}

/** The coupled modes at the sizes they use: √ and 64K. */
function coupledRings(
  cells: readonly UpdateCell[],
  names: readonly string[],
  valueOf: (cell: UpdateCell) => number | undefined,
): Series {
  const values = names.map((name) => {
    const cell = cells.find(({ mode, swarm }) => mode !== "split" && swarm === name);
    return cell && valueOf(cell);
  });
  return { name: `coupled ${SQRT} and coupled 64K`, colour: COUPLED, style: "rings", values };
}

function costsOf(cells: readonly NewFileCell[]): Series[] {
  const lines = MIRRORS.map((mirrors, index): Series => {
    const name = mirrors === 1 ? "1 mirror" : `${mirrors} mirrors`;
    return { name, colour: COLOURS[index]!, values: cells.map((cell) => newFileCost(cell, mirrors)) };
  });
  const model = cells.map((cell) => newFileModel(cell, MOST).cost);
  return [...lines, { name: `model, ${MOST} mirrors`, colour: "#555", style: "dashes", values: model }];
}

function megabytes(bytes: number): string {
  if (bytes >= 1e6) return `${Number((bytes / 1e6).toPrecision(3))} MB`;
  return bytes >= 1e3 ? `${Number((bytes / 1e3).toPrecision(3))} kB` : `${bytes} B`;
}

// The trade-off of chunk sizes: √size finds more of what a mirror has, larger pieces suit the swarm. `npm run bench --
// chunk-size` (six to seven minutes of CPU), or `node bench/chunk-size.ts --quick` (under 40 s, small files, one seed).
//
// Changed files: noise with one edit per 1 MB, at least three, places uniform, a third each inserts, deletes and overwrites
// of 16 B to 4 KiB (logarithm uniform), which is how dense the changes between two patch releases of typescript are
// (support/edited-file.ts). The search is the one that mirrors run, the times are simulated: real sessions and tracker in
// virtual time, mirrors start together with what the search found, all lines (central's too) 20 Mbit/s, 10 ms apart.
//
// Modes. coupled: one size is signature block and piece, and a piece that is not wholly here is fetched whole. split:
// signature blocks of one size, pieces of another, missing ranges by exact bytes. On the diagonal both are the same. √ as
// piece length is a thought experiment: bundles have powers of two from 16 KiB on.
//
// Bytes per mirror: signature, SHA-1 per piece, content asked for, 30 bytes per request and answer. Time: signature and hashes
// as the share of one line that their bytes take, then the simulated swarm; the search itself (1 GiB takes about a second) and
// the fixed cost of a sync are left out. "model": first-order formula of piece sizes, see docs/chunk-size.md.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  MIRRORS,
  modelledSeconds,
  newFileCells,
  newFileCost,
  newFileModel,
  SQRT,
  totalSeconds,
  updateCells,
  type NewFileCell,
  type UpdateCell,
} from "./support/chunk-cells.ts";
import type { NotSimulated, SwarmTime } from "./support/chunk-swarm.ts";
import { chunkSizePlot } from "./support/chunk-plot.ts";
import { printTable, writeResult, type Cell, type Column, type Row } from "./support/report.ts";

const SEED = 20_261_121;
const MOST = MIRRORS.at(-1)!;
const CHANGED_SIZES = [100e3, 1e6, 10e6, 700e6];
/** 30 MB is where the model has 64 KiB as its best; more than that is slow to simulate for 40 mirrors. */
const NEW_SIZES = [100e3, 1e6, 10e6, 30e6, 700e6];
/** What publish does unless told otherwise. */
const OURS = { mode: "split", delta: SQRT, swarm: "64K" };

const UPDATE_COLUMNS: readonly Column[] = [
  { key: "file", title: "changed file" },
  { key: "mode", title: "mode" },
  { key: "delta", title: "delta" },
  { key: "swarm", title: "swarm" },
  { key: "reusedShare", title: "reused %", digits: 2 },
  { key: "signatureBytes", title: "signature B" },
  { key: "hashBytes", title: "hashes B" },
  { key: "missingBytes", title: "missing B" },
  { key: "framingBytes", title: "framing B" },
  { key: "totalBytes", title: "moved B" },
  { key: "wholePiecesBytes", title: "by whole pieces B" },
  ...MIRRORS.map((mirrors) => ({ key: `seconds${mirrors}`, title: `s, N=${mirrors}`, digits: 2 })),
  { key: "modelSeconds", title: `model s, N=${MOST}`, digits: 2 },
  { key: "receivedBytes", title: `simulated B, N=${MOST}` },
  { key: "originCopies", title: `origin copies, N=${MOST}`, digits: 2 },
  { key: "note", title: "note" },
];
const NEW_COLUMNS: readonly Column[] = [
  { key: "file", title: "new file" },
  { key: "swarm", title: "swarm" },
  { key: "pieceBytes", title: "piece B" },
  ...MIRRORS.map((mirrors) => ({ key: `cost${mirrors}`, title: `time u/F, N=${mirrors}`, digits: 3 })),
  { key: "modelCost", title: `model, N=${MOST}`, digits: 3 },
  { key: "toModel", title: "simulated / model", digits: 2 },
  { key: "overheadShare", title: "overhead %", digits: 2 },
  { key: "modelOverheadShare", title: "model's %", digits: 2 },
  { key: "note", title: "note" },
];
const BEST_COLUMNS: readonly Column[] = [
  { key: "file", title: "changed file" },
  { key: "measure", title: "best by" },
  { key: "pair", title: "delta × swarm" },
  { key: "best", title: "best", digits: 2 },
  { key: "ours", title: "√ × 64K", digits: 2 },
  { key: "ratio", title: "√ × 64K / best", digits: 2 },
  { key: "coupledSqrt", title: "coupled √ / best", digits: 2 },
  { key: "coupled64K", title: "coupled 64K / best", digits: 2 },
];

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, name: { type: "string" } },
});
// A part does not take the place of the whole result.
const resultName = values.name ?? (values.quick ? "chunk-size.local" : "chunk-size");
const cpuBefore = process.cpuUsage();
const options = {
  seed: SEED,
  swarmSeeds: values.quick ? [1] : [1, 2, 3],
  onCell: (text: string) => console.error(`${cpuSeconds().toFixed(0)} CPU s: ${text}`),
};
const updates: UpdateCell[] = [];
const news: NewFileCell[] = [];
for (const size of CHANGED_SIZES.slice(0, values.quick ? -1 : undefined))
  updates.push(...(await updateCells(size, options)));
for (const size of NEW_SIZES.slice(0, values.quick ? 2 : undefined)) news.push(...(await newFileCells(size, options)));

const updateRows = updates.map(updateRow);
const newRows = news.map(newRow);
const bestRows = CHANGED_SIZES.flatMap((size) => bestRowsOf(updates.filter(({ fileBytes }) => fileBytes === size)));
printTable(UPDATE_COLUMNS, updateRows);
console.log();
printTable(NEW_COLUMNS, newRows);
console.log();
printTable(BEST_COLUMNS, bestRows);
writeResult(resultName, {
  seed: SEED,
  swarmSeeds: options.swarmSeeds,
  cpuSeconds: cpuSeconds(),
  changed: updateRows,
  new: newRows,
  best: bestRows,
});
writeFileSync(new URL(`results/${resultName}.svg`, import.meta.url), chunkSizePlot(updates, news));

function updateRow(cell: UpdateCell): Row {
  const { fetch, wholeFetch, targetBytes, swarmTimes } = cell;
  const { signatureBytes, hashBytes, missingBytes, framingBytes, totalBytes } = fetch;
  const most = simulated(swarmTimes.get(MOST));
  return {
    file: sizeName(cell.fileBytes),
    mode: cell.mode,
    delta: cell.delta,
    swarm: cell.swarm,
    pieceBytes: fetch.pieceLength,
    reusedShare: (100 * (targetBytes - missingBytes)) / targetBytes,
    signatureBytes,
    hashBytes,
    missingBytes,
    framingBytes,
    totalBytes,
    openPieces: fetch.openPieces,
    wholePiecesBytes: wholeFetch.totalBytes,
    ...Object.fromEntries(MIRRORS.map((mirrors) => [`seconds${mirrors}`, totalSeconds(cell, mirrors)])),
    ...Object.fromEntries(
      MIRRORS.map((mirrors) => [`swarmSeconds${mirrors}`, simulated(swarmTimes.get(mirrors))?.seconds]),
    ),
    modelSeconds: modelledSeconds(cell, MOST),
    receivedBytes: most && most.receivedBytes,
    originCopies: most && most.originBytes / missingBytes,
    note: noteOf(swarmTimes),
  };
}

function newRow(cell: NewFileCell): Row {
  const { fileBytes, swarmTimes } = cell;
  const most = simulated(swarmTimes.get(MOST));
  const cost = newFileCost(cell, MOST);
  const model = newFileModel(cell, MOST);
  return {
    file: sizeName(fileBytes),
    swarm: cell.swarm,
    pieceBytes: cell.pieceLength,
    ...Object.fromEntries(MIRRORS.map((mirrors) => [`cost${mirrors}`, newFileCost(cell, mirrors)])),
    modelCost: model.cost,
    toModel: cost && cost / model.cost,
    overheadShare: most && 100 * (most.receivedBytes / fileBytes - 1),
    modelOverheadShare: 100 * model.overhead,
    note: noteOf(swarmTimes),
  };
}

/** Which pair moves the fewest bytes, and which ends first, beside ours and the coupled ones. */
function bestRowsOf(cells: readonly UpdateCell[]): Row[] {
  const measures: [string, (cell: UpdateCell) => number | undefined][] = [
    ["bytes", ({ fetch }) => fetch.totalBytes],
    ...MIRRORS.map((mirrors): [string, (cell: UpdateCell) => number | undefined] => [
      `seconds, N=${mirrors}`,
      (cell) => totalSeconds(cell, mirrors),
    ]),
  ];
  const split = cells.filter(({ mode }) => mode === "split");
  return measures.flatMap(([measure, valueOf]) => {
    const best = split.reduce<UpdateCell | undefined>((least, cell) => {
      const value = valueOf(cell);
      return value !== undefined && value < (least === undefined ? Infinity : valueOf(least)!) ? cell : least;
    }, undefined);
    if (best === undefined) return [];
    const least = valueOf(best)!;
    const of = (mode: string, delta: string, swarm: string): Cell => {
      const cell = cells.find((one) => one.mode === mode && one.delta === delta && one.swarm === swarm);
      return cell && valueOf(cell);
    };
    const toBest = (value: Cell): Cell => (typeof value === "number" ? value / least : undefined);
    const ours = of(OURS.mode, OURS.delta, OURS.swarm);
    return {
      file: sizeName(best.fileBytes),
      measure,
      pair: `${best.delta} × ${best.swarm}`,
      best: least,
      ours,
      ratio: toBest(ours),
      coupledSqrt: toBest(of("coupled √", SQRT, SQRT)),
      coupled64K: toBest(of("coupled 64K", "64K", "64K")),
    };
  });
}

function simulated(time: SwarmTime | NotSimulated | undefined): SwarmTime | undefined {
  return time === undefined || "reason" in time ? undefined : time;
}

function noteOf(times: ReadonlyMap<number, SwarmTime | NotSimulated>): string | undefined {
  const notes = [...times].flatMap(([mirrors, time]) => ("reason" in time ? [`N=${mirrors}: ${time.reason}`] : []));
  return notes.length === 0 ? undefined : `not simulated, too long: ${notes.join("; ")}`;
}

function sizeName(bytes: number): string {
  return bytes < 1e6 ? `${bytes / 1e3} kB` : `${bytes / 1e6} MB`;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage(cpuBefore);
  return (user + system) / 1e6;
}

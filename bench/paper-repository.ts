// A tree of the shape that the PRsync paper measured, and a day's release of it; prints the shape it made beside the paper's.
// `npm run bench -- paper-repository`, or `node bench/paper-repository.ts --scale 1000 --seed 1 --out DIRECTORY`: 1:1000
// is 2,200 files with 2.86 GB. Without --out the tree is taken away again. Units are decimal. The figures are computed from
// the files that were written, not from the plan.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { changedOn, PAPER, planPaperRepository, writeFiles } from "./support/paper-repository.ts";
import { measureShape, type MeasuredShape } from "./support/paper-shape.ts";
import { printTable, writeResult, type Column, type Row } from "./support/report.ts";

const COLUMNS: readonly Column[] = [
  { key: "row", title: "row" },
  { key: "figure", title: "figure" },
  { key: "paper", title: "paper, scaled", digits: 2 },
  { key: "made", title: "made", digits: 2 },
  { key: "unit", title: "unit" },
];

const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1000" },
    seed: { type: "string", default: "20261120" },
    out: { type: "string" },
  },
});
const scale = Number(values.scale);
const seed = Number(values.seed);
const directory = values.out ?? mkdtempSync(join(tmpdir(), "prsync-bench-paper-"));
try {
  main();
} finally {
  if (values.out === undefined) rmSync(directory, { recursive: true });
}

function main(): void {
  mkdirSync(directory, { recursive: true });
  const plan = planPaperRepository(scale, seed);
  writeFiles(directory, plan, seed);
  const shape = measureShape(directory);
  const changes = changedOn(plan, 1, seed);
  writeFiles(directory, changes, seed);
  const after = measureShape(directory);
  const changed = [...after.contents].filter(([path, content]) => shape.contents.get(path) !== content);
  const sizes = new Map(plan.map((file) => [file.path, file.bytes]));
  const changedBytes = changed.reduce((sum, [path]) => sum + sizes.get(path)!, 0);
  const rows: Row[] = [
    ...shapeRows(shape),
    { row: "daily", figure: "files with new bytes", paper: 1, made: percent(changed.length / shape.files), unit: "%" },
    { row: "daily", figure: "bytes of these files", paper: 1, made: percent(changedBytes / shape.bytes), unit: "%" },
  ];
  printTable(COLUMNS, rows);
  writeResult("paper-repository", { seed, scale, rows });
}

function shapeRows(shape: MeasuredShape): Row[] {
  const least = (figure: number): string => `≥ ${figure}`;
  const most = (figure: number): string => `≤ ${figure}`;
  return [
    { row: "C11", figure: "files", paper: PAPER.files / scale, made: shape.files, unit: "files" },
    { row: "C11", figure: "size", paper: PAPER.bytes / scale / 1e6, made: shape.bytes / 1e6, unit: "MB" },
    { row: "C11", figure: "distributions", paper: PAPER.distributions, made: shape.distributions, unit: "" },
    { row: "C12", figure: "files below 1 MB", paper: 91, made: percent(shape.smallFilesShare), unit: "%" },
    { row: "C12", figure: "bytes in files above", paper: least(90), made: percent(shape.largeBytesShare), unit: "%" },
    { row: "C12", figure: "mean of all", paper: 1.3, made: shape.bytes / shape.files / 1e6, unit: "MB" },
    { row: "C12", figure: "mean of the large", paper: least(13), made: shape.meanLargeBytes / 1e6, unit: "MB" },
    { row: "C12", figure: "mean of the small", paper: most(143), made: shape.meanSmallBytes / 1e3, unit: "kB" },
    { row: "C13", figure: "large files there before", paper: 17, made: percent(shape.twinFilesShare), unit: "%" },
    { row: "C14", figure: "of these source packages", paper: 17, made: percent(shape.sourceFilesOfTwins), unit: "%" },
    { row: "C14", figure: "their bytes of these", paper: 30, made: percent(shape.sourceBytesOfTwins), unit: "%" },
    { row: "C14", figure: "bytes of these of all", paper: 9.9, made: percent(shape.twinBytesShare), unit: "%" },
    { row: "C15", figure: "least likeness of kin", paper: least(60), made: percent(shape.leastLikeness), unit: "%" },
    { row: "C15", figure: "mean likeness of kin", paper: undefined, made: percent(shape.meanLikeness), unit: "%" },
    { row: "C15", figure: "most likeness of kin", paper: most(99), made: percent(shape.mostLikeness), unit: "%" },
  ];
}

function percent(share: number): number {
  return 100 * share;
}

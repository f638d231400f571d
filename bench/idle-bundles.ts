// What bundles cost that a mirror seeds and nobody asks for: resident memory of its store and swarm with one bundle and with
// 3,000, 100 contents each. `npm run bench -- idle-bundles`, or `node bench/idle-bundles.ts --bundles 3000`. "asked" is after a look
// at every bundle, as by a peer that came and left: what SQLite caches of the index then (at most 32 MiB) is part of it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printTable, writeResult, type Column } from "./support/report.ts";

const IDLE_MIRROR = new URL("support/idle-mirror.ts", import.meta.url).pathname;
const COLUMNS: readonly Column[] = [
  { key: "bundles", title: "bundles" },
  { key: "idleMegabytes", title: "idle MB", digits: 1 },
  { key: "askedMegabytes", title: "asked MB", digits: 1 },
  { key: "moreIdleMegabytes", title: "more than one bundle, idle MB", digits: 1 },
  { key: "moreAskedMegabytes", title: "asked MB", digits: 1 },
];

const { values } = parseArgs({ options: { bundles: { type: "string", default: "3000" } } });
const directory = mkdtempSync(join(tmpdir(), "prsync-bench-idle-"));
try {
  const rows = [1, Number(values.bundles)].map(megabytesOf);
  const [one] = rows;
  const shown = rows.map((row) => ({
    ...row,
    moreIdleMegabytes: row.idleMegabytes - one!.idleMegabytes,
    moreAskedMegabytes: row.askedMegabytes - one!.askedMegabytes,
  }));
  printTable(COLUMNS, shown);
  writeResult("idle-bundles", { rows: shown });
} finally {
  rmSync(directory, { recursive: true });
}

function megabytesOf(bundles: number): { bundles: number; idleMegabytes: number; askedMegabytes: number } {
  const words = ["--expose-gc", IDLE_MIRROR, String(bundles), directory];
  execFileSync(process.execPath, [...words, "fill"], { stdio: "inherit" });
  const { idleBytes, askedBytes } = JSON.parse(execFileSync(process.execPath, words, { encoding: "utf8" })) as {
    idleBytes: number;
    askedBytes: number;
  };
  return { bundles, idleMegabytes: idleBytes / 1e6, askedMegabytes: askedBytes / 1e6 };
}

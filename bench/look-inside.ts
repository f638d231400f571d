// Which compressed files are made again bit for bit from what is inside, and what that saves: `npm run bench -- look-inside`.
// Real files of the npm registry and Debian's archive, fetched once. "reproduced": by Node's zlib with settings that publishing
// finds. "by command": by a compressor of Debian that is not part of Node, to tell what a format would need. Bytes moved are
// signature, literals and framing of a delta with the version before as basis: of the compressed bytes ("without"), and of what
// is inside where the file is reproduced, else again of the compressed bytes ("with"). "inside" is what it would be if all were.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { findGzipRecipe } from "../src/codec/find-gzip-recipe.ts";
import { MAX_INNER_BYTES } from "../src/manifest/recompression.ts";
import { prsync } from "./support/delta-tools.ts";
import {
  compressedFormats,
  isMadeByCommand,
  packedDataOfDeb,
  type CompressedFile,
  type CompressedFormat,
} from "./support/look-inside-files.ts";
import { printTable, versionOf, writeResult, type Column, type Row } from "./support/report.ts";

const COLUMNS: readonly Column[] = [
  { key: "format", title: "format" },
  { key: "file", title: "file" },
  { key: "bytes", title: "bytes" },
  { key: "reproduced", title: "reproduced" },
  { key: "settings", title: "settings" },
  { key: "byCommand", title: "by command" },
  { key: "withoutBytes", title: "without B" },
  { key: "withBytes", title: "with B" },
  { key: "withShare", title: "with / file", digits: 3 },
  { key: "insideBytes", title: "inside B" },
  { key: "seconds", title: "probe s", digits: 1 },
];

const delta = prsync("sqrt");
const scratch = mkdtempSync(join(tmpdir(), "prsync-bench-look-inside-"));
try {
  const rows: Row[] = [];
  for (const format of compressedFormats()) {
    const own: Row[] = [];
    for (const file of format.files) {
      const row = await rowOf(format, file);
      console.error(
        `${format.name}: ${String(row["file"])} ${String(row["reproduced"])} ${String(row["withBytes"] ?? "-")}`,
      );
      own.push(row);
    }
    rows.push(...own, totalOf(format.name, own));
  }
  printTable(COLUMNS, rows);
  const versions = { zlib: process.versions.zlib, gzip: await versionOf("gzip"), xz: await versionOf("xz") };
  writeResult("look-inside", { versions, rows });
} finally {
  rmSync(scratch, { recursive: true });
}

async function rowOf(format: CompressedFormat, { file, before }: CompressedFile): Promise<Row> {
  const packed = readFileSync(file);
  const isDeb = file.endsWith(".deb");
  const startMs = performance.now();
  const outcome = await findGzipRecipe(readable(packed), { maxInnerBytes: MAX_INNER_BYTES, isSpent: () => false });
  const seconds = (performance.now() - startMs) / 1000;
  const inner = format.unpack(file);
  const moved = before === undefined ? undefined : await movedBytes(format, { file, before });
  const withBytes = moved && (outcome.found ? Math.min(moved.insideBytes, moved.withoutBytes) : moved.withoutBytes);
  return {
    format: format.name,
    file: basename(file),
    bytes: packed.length,
    reproduced: outcome.found ? "yes" : outcome.why,
    settings: outcome.found
      ? outcome.members.map((m) => `${m.settings.level}/${m.settings.memLevel}`).join(" ")
      : undefined,
    byCommand: outcome.found
      ? undefined
      : (isMadeByCommand(format.commands, inner, isDeb ? packedDataOfDeb(file) : packed) ?? "none"),
    ...moved,
    withBytes,
    withShare: withBytes && withBytes / packed.length,
    seconds,
  };
}

async function movedBytes(
  format: CompressedFormat,
  { file, before }: Required<CompressedFile>,
): Promise<{ withoutBytes: number; insideBytes: number }> {
  const [basis, target] = [join(scratch, "basis"), join(scratch, "target")];
  writeFileSync(basis, format.unpack(before));
  writeFileSync(target, format.unpack(file));
  const compressed = await delta({ name: "", basis: before, target: file }, scratch);
  const inside = await delta({ name: "", basis, target }, scratch);
  // A delta that saves nothing is not made: the file travels without a signature.
  return { withoutBytes: Math.min(compressed.totalBytes, statSync(file).size), insideBytes: inside.totalBytes };
}

function totalOf(format: string, rows: readonly Row[]): Row {
  const sum = (key: string, of: readonly Row[] = rows): number =>
    of.reduce((total, row) => total + Number(row[key] ?? 0), 0);
  const bytes = sum("bytes");
  const reproduced = sum(
    "bytes",
    rows.filter((row) => row["reproduced"] === "yes"),
  );
  const paired = rows.filter((row) => row["withBytes"] !== undefined);
  const isPaired = paired.length > 0;
  return {
    format,
    file: `all ${rows.length}`,
    bytes,
    reproduced: bytes === 0 ? undefined : `${((100 * reproduced) / bytes).toFixed(1)} %`,
    withoutBytes: isPaired ? sum("withoutBytes") : undefined,
    withBytes: isPaired ? sum("withBytes") : undefined,
    withShare: isPaired ? sum("withBytes") / sum("bytes", paired) : undefined,
    insideBytes: isPaired ? sum("insideBytes") : undefined,
  };
}

function readable(bytes: Buffer): { lengthBytes: number; read: (offset: number, length: number) => Promise<Buffer> } {
  return { lengthBytes: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

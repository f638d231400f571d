import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";

export interface Column {
  readonly key: string;
  readonly title: string;
  /** Digits after the point for numbers; 0 if left out. */
  readonly digits?: number;
}

export type Cell = string | number | undefined;
export type Row = Readonly<Record<string, Cell>>;

/** Prints rows under aligned titles: numbers to the right with spaces between thousands, text to the left, "-" for none. */
export function printTable(columns: readonly Column[], rows: readonly Row[]): void {
  const texts = rows.map((row) => columns.map((column) => cellText(row[column.key], column.digits ?? 0)));
  const isNumeric = columns.map(({ key }) => rows.some((row) => typeof row[key] === "number"));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...texts.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (isNumeric[i] === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  console.log(line(columns.map(({ title }) => title)));
  console.log(line(widths.map((width) => "-".repeat(width))));
  for (const row of texts) console.log(line(row));
}

function cellText(cell: Cell, digits: number): string {
  if (cell === undefined) return "-";
  if (typeof cell === "string") return cell;
  const [whole, fraction] = cell.toFixed(digits).split(".");
  const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, " ");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Writes bench/results/NAME.json: what was measured, on what machine, when. No host names. */
export function writeResult(name: string, result: Readonly<Record<string, unknown>>): void {
  const directory = new URL("../results/", import.meta.url);
  mkdirSync(directory, { recursive: true });
  const file = new URL(`${name}.json`, directory);
  const document = { bench: name, date: new Date().toISOString(), machine: describeMachine(), ...result };
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`);
  console.log(`\nwritten: bench/results/${name}.json`);
}

/** What {@link writeResult} wrote last under this name, or undefined. */
export function readResult(name: string): Readonly<Record<string, unknown>> | undefined {
  const file = new URL(`../results/${name}.json`, import.meta.url);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>) : undefined;
}

function describeMachine(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** Middle value, or the mean of the two in the middle; NaN for no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** True if repeated runs of one program differ by more than 2 ×: then the CPU seconds decide (design of the benches). */
export function isNoisy(seconds: readonly number[]): boolean {
  return Math.max(...seconds) > 2 * Math.min(...seconds);
}

export interface Measured {
  readonly exitCode: number | null;
  readonly wallSeconds: number;
  /** User and system time of the program and of all children it waited for. */
  readonly cpuSeconds: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MeasureOptions {
  readonly cwd?: string;
  /** On top of this process's; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs a program and tells its time to the millisecond, by bash's `time`: Node can't read the usage of its children.
 * Times of 10 ms and less say little.
 */
export async function measure(
  command: string,
  args: readonly string[],
  { cwd, env }: MeasureOptions = {},
): Promise<Measured> {
  // Descriptor 3 carries the times alone, so that the program's own output stays apart.
  const script = `TIMEFORMAT='%3R %3U %3S'; exec 4>&2; { time "$@" 2>&4 3>&-; } 2>&3`;
  const child = spawn("bash", ["-c", script, "bash", command, ...args], {
    cwd,
    env: { ...process.env, LC_ALL: "C", ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const outputs = ["", "", ""];
  for (const i of [1, 2, 3]) child.stdio[i]!.on("data", (chunk) => (outputs[i - 1] += String(chunk)));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const [wall, user, system] = outputs[2]!.trim().split("\n").at(-1)!.split(" ").map(Number);
  return {
    exitCode,
    wallSeconds: wall ?? NaN,
    cpuSeconds: (user ?? NaN) + (system ?? NaN),
    stdout: outputs[0]!,
    stderr: outputs[1]!,
  };
}

/** {@link measure}, for a program that must succeed. */
export async function measureSuccess(
  command: string,
  args: readonly string[],
  options: MeasureOptions = {},
): Promise<Measured> {
  const measured = await measure(command, args, options);
  if (measured.exitCode === 0) return measured;
  throw new Error(`${command} ${args.join(" ")} ended with ${measured.exitCode}: ${measured.stderr}`);
}

/** First line of a program's version, or undefined if it is not installed. */
export async function versionOf(command: string, args: readonly string[] = ["--version"]): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await measure(command, args);
  return exitCode === 127 || exitCode === 126 ? undefined : (stdout || stderr).split("\n")[0]!.trim();
}

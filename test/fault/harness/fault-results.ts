import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { FaultRow } from "./fault-row.ts";
import { describeOne, isAsPromised, type PlayedFault } from "./play-rows.ts";

interface Counts {
  readonly played: number;
  readonly fired: number;
  readonly asPromised: number;
}

interface RowResult extends Partial<Counts> {
  readonly date: string;
  /** Plays of the row that were left out. */
  readonly leftOut?: number;
  readonly notHere?: string;
  readonly notAsPromised?: readonly string[];
}

interface FaultResults extends Counts {
  readonly rows: Readonly<Record<string, RowResult>>;
  readonly withoutDefence: readonly { readonly name: string; readonly fired: number; readonly damage: number }[];
}

/** Takes the rows that were played into the result file; what it has of other rows stays. */
export function writeResults(path: URL, rows: readonly FaultRow[], played: readonly PlayedFault[]): void {
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as FaultResults) : undefined;
  const now = Object.fromEntries(rows.map((row) => [row.id, resultOf(row, played)]));
  const all = Object.entries({ ...before?.rows, ...now }).sort(([a], [b]) => (a < b ? -1 : 1));
  const controls = played.filter(({ row }) => row === "control");
  const results: FaultResults = {
    played: sum(all.map(([, row]) => row.played)),
    fired: sum(all.map(([, row]) => row.fired)),
    asPromised: sum(all.map(([, row]) => row.asPromised)),
    rows: Object.fromEntries(all),
    withoutDefence:
      controls.length === 0
        ? (before?.withoutDefence ?? [])
        : controls.map(({ name, fired, problems }) => ({ name, fired, damage: problems.length })),
  };
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
}

function resultOf(row: FaultRow, played: readonly PlayedFault[]): RowResult {
  const date = new Date().toISOString().slice(0, 10);
  if ("notHere" in row) return { date, notHere: row.notHere };
  const plays = played.filter(({ row: id }) => id === row.id);
  const failed = plays.filter((play) => !isAsPromised(play)).map(describeOne);
  const leftOut = row.plays.length - plays.length;
  return {
    date,
    played: plays.length,
    fired: plays.filter(({ fired }) => fired > 0).length,
    asPromised: plays.length - failed.length,
    ...(leftOut === 0 ? {} : { leftOut }),
    ...(failed.length === 0 ? {} : { notAsPromised: failed }),
  };
}

function sum(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((total, number = 0) => total + number, 0);
}

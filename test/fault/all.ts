// Plays every row of the fault matrix: `npm run faults` (needs root, loop devices, strace; some minutes). Writes
// results.json beside itself. Words pick rows ("S13 F08") and then nothing is written.
import { writeFileSync } from "node:fs";
import { allPlays, describeOne, describePlayed, isAsPromised, playAll, type PlayedFault } from "./harness/play-rows.ts";
import { FAULT_CONTROLS, FAULT_ROWS } from "./rows/all-rows.ts";

const wanted = process.argv.slice(2);
const rows = FAULT_ROWS.filter(({ id }) => wanted.length === 0 || wanted.includes(id));
const controls = wanted.length === 0 || wanted.includes("control") ? FAULT_CONTROLS : [];
const startMs = performance.now();
const played = await playAll(allPlays(rows), controls, { lanes: 2, onPlayed: (one) => console.log(describeOne(one)) });
console.log(describePlayed(played));
if (wanted.length === 0)
  writeFileSync(new URL("results.json", import.meta.url), `${JSON.stringify(results(), null, 1)}\n`);
process.exitCode = played.every(isAsPromised) ? 0 : 1;

/** One line per row; each play that was not as promised in full. */
function results(): unknown {
  return {
    date: new Date().toISOString().slice(0, 10),
    minutes: Math.round((performance.now() - startMs) / 60_000),
    ...countsOf(played.filter(({ row }) => row !== "control")),
    rows: Object.fromEntries(
      rows.map((row) => [row.id, "plays" in row ? countsOf(of(row.id)) : { notHere: row.notHere }]),
    ),
    withoutDefence: of("control").map(({ name, fired, problems }) => ({ name, fired, damage: problems.length })),
    notAsPromised: played.filter((play) => !isAsPromised(play)),
  };
}

function of(row: string): PlayedFault[] {
  return played.filter((play) => play.row === row);
}

function countsOf(plays: readonly PlayedFault[]): { played: number; fired: number; asPromised: number } {
  const fired = plays.filter((play) => play.fired > 0).length;
  return { played: plays.length, fired, asPromised: plays.filter(isAsPromised).length };
}

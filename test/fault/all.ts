// Plays the fault matrix: `npm run faults` (root, loop devices, strace; ten minutes on two idle cores) and writes what came of
// it to results.json beside itself. Words pick rows ("S13 F08 control"), the others keep what they have there. `--every 3`
// plays a third of each row, `--lanes 4` four plays at a time.
import { parseArgs } from "node:util";
import { writeResults } from "./harness/fault-results.ts";
import { allPlays, describeOne, describePlayed, isAsPromised, playAll, type ChosenPlay } from "./harness/play-rows.ts";
import { FAULT_CONTROLS, FAULT_ROWS } from "./rows/all-rows.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { every: { type: "string", default: "1" }, lanes: { type: "string", default: "2" } },
});
const isWanted = (id: string): boolean => positionals.length === 0 || positionals.includes(id);
const rows = FAULT_ROWS.filter(({ id }) => isWanted(id));
const played = await playAll(rows.flatMap(someOf), isWanted("control") ? FAULT_CONTROLS : [], {
  lanes: Number(values.lanes),
  onPlayed: (one) => console.log(describeOne(one)),
});
console.log(describePlayed(played));
writeResults(new URL("results.json", import.meta.url), rows, played);
process.exitCode = played.every(isAsPromised) ? 0 : 1;

function someOf(row: (typeof FAULT_ROWS)[number]): ChosenPlay[] {
  return allPlays([row]).filter((_, index) => index % Number(values.every) === 0);
}

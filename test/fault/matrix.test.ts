import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/core/clock.ts";
import { canPlayFaults } from "./harness/loop-disk.ts";
import { allPlays, chooseTenth, describeOne, describePlayed, isAsPromised, playAll } from "./harness/play-rows.ts";
import { ROW_IDS } from "./harness/row-ids.ts";
import { FAULT_CONTROLS, FAULT_ROWS } from "./rows/all-rows.ts";

/** Another tenth each day; a failure tells the seed. */
const SEED = Number(process.env["PRSYNC_FAULT_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const LANES = 2;

test("no row of the fault matrix is missing, and each is played or says why it can't be", () => {
  expect(FAULT_ROWS.map(({ id }) => id)).toEqual(ROW_IDS);
  const silent = FAULT_ROWS.filter((row) => ("plays" in row ? row.plays.length : row.notHere.length) === 0);
  expect(silent).toEqual([]);
});

test("no two plays of a row have one name", () => {
  const names = allPlays(FAULT_ROWS).map(({ row, play }) => `${row} ${play.name}`);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

describe.skipIf(!canPlayFaults())("faults", () => {
  test("a tenth of all plays, and one of each kind, leaves no wrong file and ends exact", async () => {
    const plays = chooseTenth(allPlays(FAULT_ROWS), seededRandom(SEED));
    const played = await playAll(plays, FAULT_CONTROLS, { lanes: LANES, onPlayed: () => undefined });
    console.log(`seed ${SEED}\n${describePlayed(played)}`);
    expect(played.filter((play) => !isAsPromised(play)).map(describeOne)).toEqual([]);
  }, 600_000);
});

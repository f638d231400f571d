import { run } from "../../support/program.ts";
import type { FaultBed } from "../harness/fault-bed.ts";
import type { FaultControl, Played } from "../harness/fault-row.ts";
import { StraceLog, type Injection } from "../harness/injection.ts";
import { raceWithoutConfinement } from "./objects.ts";
import { cutAfterLyingFlushes } from "./power.ts";
import { rotWithoutVerify } from "./rot.ts";

/** A copier that writes where customers read, under the same fault. */
async function inPlaceUnder(bed: FaultBed, lane: number, injection: Injection): Promise<Played> {
  await using mirror = bed.mirror(lane);
  using log = new StraceLog();
  const words = [...log.words(injection).slice(1), "rsync", "-a", "--inplace", "--no-whole-file"];
  const copy = run("strace", [...words, "--exclude=/.prsync", `${bed.tree}/`, `${mirror.destination}/`]);
  await copy.catch(() => undefined);
  return { fired: log.fired(), problems: mirror.findDamage() };
}

/** Runs without what the product does about a kind of fault: the same checks must find damage. */
export const CONTROLS: readonly FaultControl[] = [
  {
    kind: "kill",
    without: "a staging area: rsync --inplace, kill -9 in write",
    play: (bed, lane) => inPlaceUnder(bed, lane, { call: "anyWrite", effect: "signal=SIGKILL", when: "25" }),
  },
  {
    kind: "error",
    without: "a staging area: rsync --inplace, ENOSPC in write",
    play: (bed, lane) => inPlaceUnder(bed, lane, { call: "anyWrite", effect: "error=ENOSPC", when: "25+" }),
  },
  {
    kind: "power",
    without: "fsync: every flush only says that it flushed, power cut after the end",
    play: cutAfterLyingFlushes,
  },
  { kind: "rot", without: "verify: bits turned on the disk, sync alone", play: rotWithoutVerify },
  { kind: "race", without: "held directories: the same calls by plain paths", play: raceWithoutConfinement },
];

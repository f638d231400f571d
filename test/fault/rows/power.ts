import { setTimeout } from "node:timers/promises";
import { seededRandom } from "../../../src/core/clock.ts";
import type { FaultBed, MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow, Played } from "../harness/fault-row.ts";
import { HeldRun } from "../harness/held-run.ts";
import { StraceLog, type CallName } from "../harness/injection.ts";
import { playUntilFired } from "./kill-sync.ts";

/** The default, the one that does not write a renamed file out by itself, the one that journals names before bytes. */
const MOUNT_OPTIONS = ["defaults", "noauto_da_alloc", "data=writeback"] as const;
const CUTS_PER_OPTION = 12;
const CALLS = ["write", "rename", "fsync", "utimes"] as const;
/** The journal is written every second then, so that names get to the disk before the bytes that nobody flushed. */
const EAGER = "commit=1,noauto_da_alloc";
const TWO_COMMITS_MS = 2_300;

/** The power goes in the n-th call of a kind; the disk comes back, and then a run is let through. */
async function cutIn(
  mirror: MirrorDisk,
  moment: { call: CallName; when: number },
  mountOptions: string,
): Promise<Played> {
  const power = await mirror.disk.switch();
  // Held there until the power is off: it must not get any further.
  using held = await HeldRun.start(mirror.words, moment);
  await power.cut();
  await held.kill();
  await mirror.disk.comeBack(mountOptions);
  return { fired: held.isHeld ? 1 : 0, problems: [...mirror.findDamage(), ...(await mirror.finish())] };
}

function cutsDuring(mountOptions: string): FaultPlay[] {
  return Array.from({ length: CUTS_PER_OPTION }, (_, index) => {
    const random = seededRandom(index + 1);
    const call = CALLS[Math.floor(random() * CALLS.length)]!;
    const fraction = random();
    return {
      name: `power cut in ${call} at ${fraction.toFixed(3)}, ${mountOptions}`,
      kind: "power",
      play: (bed, lane) =>
        playUntilFired(bed, { call, fraction, lane, mountOptions }, (mirror, when) =>
          cutIn(mirror, { call, when }, mountOptions),
        ),
    };
  });
}

/** What a sync said was done must be there, whatever happens to the power afterwards. */
async function cutAfterDone(mirror: MirrorDisk, waitMs: number, enter: readonly string[] = []): Promise<Played> {
  const power = await mirror.disk.switch();
  const { code, stderr } = await mirror.sync({ enter });
  await setTimeout(waitMs);
  await power.cut();
  await mirror.disk.comeBack(EAGER);
  const lost = await mirror.differencesToRelease();
  return {
    fired: 1,
    problems: [
      ...(code === 0 ? [] : [`ended with ${code}: ${stderr.trim()}`]),
      ...mirror.findDamage(),
      ...(lost === "" ? [] : [`lost although it was done:\n${lost}`]),
    ],
  };
}

function cutsAfterDone(mountOptions: string): FaultPlay[] {
  return [0, 0, 500, TWO_COMMITS_MS].map((waitMs, index) => ({
    name: `power cut ${waitMs} ms after the end of a sync, ${mountOptions}, ${index + 1}`,
    kind: "power",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane, mountOptions);
      const { fired, problems } = await cutAfterDone(mirror, waitMs);
      return { fired, problems: [...problems, ...(await mirror.finish())] };
    },
  }));
}

export const POWER_ROWS: readonly FaultRow[] = [
  { id: "S13", fault: "power cut at a random moment", plays: MOUNT_OPTIONS.flatMap(cutsDuring) },
  { id: "S14", fault: "power cut just after a sync was done", plays: [...MOUNT_OPTIONS, EAGER].flatMap(cutsAfterDone) },
];

/** The same cut where every flush only says that it flushed. */
export async function cutAfterLyingFlushes(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane, EAGER);
  using log = new StraceLog();
  const enter = log.words({ call: ["fsync", "syncfs"], effect: "retval=0" });
  const { problems } = await cutAfterDone(mirror, TWO_COMMITS_MS, enter);
  return { fired: log.fired(), problems };
}

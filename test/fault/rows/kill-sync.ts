import type { FaultBed, MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow, Played } from "../harness/fault-row.ts";
import type { CallName } from "../harness/injection.ts";
import { untilFired } from "../harness/until-fired.ts";

const COUNTED = [
  "write",
  "rename",
  "fsync",
  "mkdir",
  "link",
  "symlink",
  "unlink",
  "open",
  "truncate",
  "chmod",
  "utimes",
] as const;

/** Which call of a mirror's sync lies at this fraction of all of them. */
async function callOfSync(bed: FaultBed, call: CallName, at: { fraction: number; lane: number }): Promise<number> {
  return await bed.callNumber("sync", call, {
    fraction: at.fraction,
    count: async () => {
      await using mirror = bed.mirror(at.lane);
      return await mirror.countCalls(COUNTED);
    },
  });
}

/** {@link untilFired} on a fresh mirror each time. */
export async function playUntilFired(
  bed: FaultBed,
  at: { readonly call: CallName; readonly fraction: number; readonly lane: number; readonly mountOptions?: string },
  play: (mirror: MirrorDisk, when: number) => Promise<Played>,
): Promise<Played> {
  return await untilFired(at.fraction, async (fraction) => {
    const when = await callOfSync(bed, at.call, { fraction, lane: at.lane });
    await using mirror = bed.mirror(at.lane, at.mountOptions);
    return await play(mirror, when);
  });
}

/** kill -9 in the n-th call, then a run that is let through. */
export async function killSync(mirror: MirrorDisk, call: CallName, when: number): Promise<Played> {
  const killed = await mirror.syncInjected({ call, effect: "signal=SIGKILL", when: String(when) });
  return { fired: killed.fired, problems: [...mirror.findDamage(), ...(await mirror.finish())] };
}

/** `count` moments spread over the calls from `from` to `to` (fractions of all). */
export function spread(count: number, from = 0, to = 1): readonly number[] {
  return Array.from({ length: count }, (_, index) => from + ((to - from) * (index + 0.5)) / count);
}

function killsIn(call: CallName, fractions: readonly number[]): FaultPlay[] {
  return fractions.map((fraction) => ({
    name: `kill -9 in ${call} at ${fraction.toFixed(3)}`,
    kind: "kill",
    play: (bed, lane) => playUntilFired(bed, { call, fraction, lane }, (mirror, when) => killSync(mirror, call, when)),
  }));
}

/** Killed, killed again while it makes up for that, and then let through. */
function killsInRecovery(call: CallName, fractions: readonly number[]): FaultPlay[] {
  return fractions.map((fraction) => ({
    name: `kill -9 in ${call} at ${fraction.toFixed(3)}, and in the next run`,
    kind: "kill",
    play: (bed, lane) =>
      playUntilFired(bed, { call, fraction, lane }, async (mirror, when) => {
        const first = await mirror.syncInjected({ call, effect: "signal=SIGKILL", when: String(when) });
        const damage = mirror.findDamage();
        // What the first run has done is not to be done again, so there are fewer calls: it hits an early one.
        const second = await killSync(mirror, call, Math.max(1, when >> 2));
        return { fired: first.fired + second.fired, problems: [...damage, ...second.problems] };
      }),
  }));
}

export const KILL_SYNC_ROWS: readonly FaultRow[] = [
  { id: "S02", fault: "kill -9 while writing a part", plays: killsIn("write", spread(12)) },
  { id: "S03", fault: "kill -9 between verification and rename", plays: killsIn("rename", spread(16)) },
  {
    id: "S04",
    fault: "kill -9 between rename and fsync of the directory",
    plays: [...killsIn("fsync", spread(10)), ...killsIn("utimes", spread(4))],
  },
  {
    id: "S05",
    fault: "kill -9 while building what a release needs",
    plays: [
      ...killsIn("mkdir", spread(3)),
      ...killsIn("link", spread(3)),
      ...killsIn("symlink", [0]),
      ...killsIn("chmod", spread(4)),
    ],
  },
  {
    id: "S06",
    fault: "kill -9 as the release number changes",
    plays: [...killsIn("fsync", spread(6, 0.8)), ...killsIn("write", spread(6, 0.9))],
  },
  {
    id: "S08",
    fault: "kill -9 during reconstruction by delta",
    plays: [...killsIn("open", spread(6)), ...killsIn("truncate", spread(3))],
  },
  {
    id: "S11",
    fault: "kill -9 during recovery from kill -9",
    plays: [
      ...killsInRecovery("rename", spread(4)),
      ...killsInRecovery("write", spread(3)),
      ...killsInRecovery("fsync", spread(3)),
    ],
  },
];

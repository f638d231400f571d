import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RunningProgram, runPrsync } from "../../support/program.ts";
import { digestTree } from "../../support/tree-digest.ts";
import type { FaultBed, MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow, Played } from "../harness/fault-row.ts";

const PRELOAD = new URL("../harness/shifted-clock.ts", import.meta.url).href;
const DAY_MS = 86_400_000;
const NOT_TRUSTED = 5;
/** Not a bound of anything, only an end: a busy machine may be ten times as slow. */
const PATIENCE_MS = 240_000;

/** A clock that can be set while a program runs by it. */
class ShiftedClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #path: string;

  constructor(mirror: MirrorDisk, offsetMs: number) {
    this.#path = join(mirror.disk.path, "clock");
    this.env = { NODE_OPTIONS: `--import=${PRELOAD}`, PRSYNC_TEST_CLOCK: this.#path };
    this.set(offsetMs);
  }

  set(offsetMs: number): void {
    writeFileSync(`${this.#path}.new`, String(offsetMs));
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/** Nothing can be judged by such a clock: refused by name, nothing changed, and a daemon goes on serving. */
function wrongBy(days: number, code: string): FaultPlay {
  return {
    name: `clock ${days} days off`,
    kind: "clock",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane);
      const { env } = new ShiftedClock(mirror, days * DAY_MS);
      const refused = await mirror.sync({ env });
      const isTold = refused.code === NOT_TRUSTED && refused.stderr.includes(`prsync error: ${code} `);
      const words = ["daemon", mirror.destination, "--state", mirror.state, "--peer-port", "0", "--now"];
      const daemon = await RunningProgram.start([...words, "--listen", "127.0.0.1:0"], { env });
      const served = await fetch(`${daemon.ready.http}/pool/stays.tar`, { redirect: "manual" });
      await served.arrayBuffer();
      await daemon.stop();
      const isUntouched = JSON.stringify([...digestTree(mirror.destination)]) === JSON.stringify([...bed.old]);
      return {
        fired: Number(refused.code !== 0),
        problems: [
          ...(isTold ? [] : [`ended with ${refused.code}: ${refused.stderr}`]),
          ...(served.status === 200 ? [] : [`the daemon answered ${served.status}`]),
          ...(isUntouched ? [] : ["the tree was changed"]),
          ...(await mirror.finish()),
        ],
      };
    },
  };
}

/** To and fro by an hour less a minute, four times a second, while a daemon syncs. */
async function jumping(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const clock = new ShiftedClock(mirror, 0);
  const hourMs = 59 * 60_000;
  let jumps = 0;
  const timer = setInterval(() => clock.set([hourMs, 0, -hourMs, 0][jumps++ % 4]!), 250);
  const words = ["daemon", mirror.destination, "--state", mirror.state, "--peer-port", "0", "--now"];
  await using daemon = await RunningProgram.start([...words, "--listen", "127.0.0.1:0"], { env: clock.env });
  await daemon.waitFor((event) => event["event"] === "synced" && event["release"] === 2, PATIENCE_MS);
  clearInterval(timer);
  const synced = await mirror.differencesToRelease();
  await daemon.stop();
  return { fired: jumps, problems: [...(synced === "" ? [] : [synced]), ...(await mirror.finish())] };
}

/** A clock that is right again goes on where it was. */
async function rightAgain(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const { env } = new ShiftedClock(mirror, 20 * 60_000);
  const { code, stderr } = await runPrsync(mirror.words, { env });
  const problems = code === 0 ? [] : [`ended with ${code}: ${stderr}`];
  return { fired: 1, problems: [...problems, ...mirror.findDamage(), ...(await mirror.finish())] };
}

export const CLOCK_ROWS: readonly FaultRow[] = [
  { id: "C01", fault: "clock 400 days ahead", plays: [wrongBy(400, "expired")] },
  { id: "C02", fault: "clock 400 days behind", plays: [wrongBy(-400, "clock-behind")] },
  {
    id: "C03",
    fault: "clock jumps by an hour while running",
    plays: [
      { name: "to and fro during the sync of a daemon", kind: "clock", play: jumping },
      { name: "20 minutes ahead in one sync, right in the next", kind: "clock", play: rightAgain },
    ],
  },
];

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { RunningProgram, runPrsync } from "../../support/program.ts";
import { rsyncDifferences } from "../../support/rsync-referee.ts";
import { digestTree } from "../../support/tree-digest.ts";
import type { FaultBed, MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow, Played } from "../harness/fault-row.ts";
import { HeldRun } from "../harness/held-run.ts";
import { StraceLog, type CallName } from "../harness/injection.ts";
import { LoopDisk } from "../harness/loop-disk.ts";
import { Mount } from "../harness/mount.ts";
import { playUntilFired, spread } from "./kill-sync.ts";

const DISK = 11;
const FEW_INODES = 96;

/** Something happens to the disk while the sync stands in the n-th call; then it goes on. */
function whileHeld(
  what: string,
  at: { readonly call: CallName; readonly fractions: readonly number[] },
  acts: { readonly spoil: (mirror: MirrorDisk) => void; readonly mend: (mirror: MirrorDisk) => Promise<void> },
): FaultPlay[] {
  const { call, fractions } = at;
  return fractions.map((fraction) => ({
    name: `${what}, in ${call} at ${fraction.toFixed(3)}`,
    kind: "disk",
    play: (bed, lane) =>
      playUntilFired(bed, { call, fraction, lane }, async (mirror, when) => {
        using held = await HeldRun.start(mirror.words, { call, when });
        if (held.isHeld) acts.spoil(mirror);
        const { code, stderr } = await held.letOn();
        const isTold = code === 0 || (code === DISK && stderr.includes("prsync error: disk-"));
        const told = isTold ? [] : [`ended with ${code}: ${stderr.trim()}`];
        const damage = mirror.findDamage();
        await acts.mend(mirror);
        return { fired: held.isHeld ? 1 : 0, problems: [...told, ...damage, ...(await mirror.finish())] };
      }),
  }));
}

const filling = {
  spoil: (mirror: MirrorDisk): void => void mirror.disk.fill(0),
  mend: async (mirror: MirrorDisk): Promise<void> => rmSync(join(mirror.disk.path, "filler")),
};
const failing = {
  spoil: (mirror: MirrorDisk): void => mirror.disk.failReadOnly(),
  mend: (mirror: MirrorDisk): Promise<void> => mirror.disk.repair(),
};

async function tooFewInodes(bed: FaultBed): Promise<Played> {
  const place = bed.emptyDirectory();
  await using disk = LoopDisk.format(join(place, "image"), { bytes: 32 * 2 ** 20, inodes: FEW_INODES }).mount();
  mkdirSync(join(disk.path, "others"));
  for (let file = 0; file < FEW_INODES / 2; file++) writeFileSync(join(disk.path, `others/${file}`), "");
  const ticket = await bed.invite("inodes");
  const mirror = join(disk.path, "mirror");
  const words = ["sync", ticket, mirror, "--state", join(disk.path, "state"), "--peer-port", "0"];
  const { code, stderr } = await runPrsync(words);
  const isTold = code === DISK && stderr.includes("inodes");
  rmSync(join(disk.path, "others"), { recursive: true });
  await runPrsync(words);
  const differences = await rsyncDifferences(bed.tree, mirror, true);
  return {
    fired: Number(code !== 0),
    problems: [
      ...(isTold ? [] : [`ended with ${code}: ${stderr.trim()}`]),
      ...(differences === "" ? [] : [differences]),
    ],
  };
}

/** Less is free than the release needs beside the reserve. */
async function tooLittleSpace(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const filler = mirror.disk.fill(2_600_000);
  const { code, stderr } = await mirror.sync();
  const isRefused = code === DISK && stderr.includes("needs") && stderr.includes("nothing was changed");
  const isUntouched = isSameTree(mirror, bed);
  rmSync(filler);
  return {
    fired: Number(code !== 0),
    problems: [
      ...(isRefused ? [] : [`ended with ${code}: ${stderr.trim()}`]),
      ...(isUntouched ? [] : ["something was changed"]),
      ...(await mirror.finish()),
    ],
  };
}

function isSameTree(mirror: MirrorDisk, bed: FaultBed): boolean {
  return JSON.stringify([...digestTree(mirror.destination)].sort()) === JSON.stringify([...bed.old].sort());
}

function fewDescriptors(limit: number): FaultPlay {
  return {
    name: `no more than ${limit} open files`,
    kind: "disk",
    play: async (bed, lane) => {
      await using mirror = bed.mirror(lane);
      using log = new StraceLog();
      const limited = ["prlimit", `--nofile=${limit}:${limit}`];
      const enter = [...log.words({ call: "open", effect: "delay_exit=1" }), ...limited];
      const { code, stderr } = await mirror.sync({ enter });
      const isTold = code === 0 || stderr.includes("prsync error: ");
      return {
        fired: log.count("EMFILE"),
        problems: [
          ...(isTold ? [] : [`ended with ${code}: ${stderr}`]),
          ...mirror.findDamage(),
          ...(await mirror.finish()),
        ],
      };
    },
  };
}

/** Something else is mounted where the staging area is to be. */
async function stagingElsewhere(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const mount = new Mount(["-t", "tmpfs", "tmpfs"], join(mirror.destination, ".prsync/staging"));
  const { code, stderr } = await mirror.sync();
  await mount[Symbol.asyncDispose]();
  const isTold = code !== 0 && stderr.includes("prsync error: ");
  return {
    fired: 1,
    problems: [
      ...(isTold ? [] : [`ended with ${code}: ${stderr}`]),
      ...(isSameTree(mirror, bed) ? [] : ["something was changed"]),
      ...(await mirror.finish()),
    ],
  };
}

/** Each read, write and flush takes this much longer. */
const SLOW_MICROSECONDS = 20_000;
/** An answer may take this long, or half as long as the sync where the machine is busy: a loop that is held would take all of it. */
const PATIENCE_MS = 10_000;
const SYNC_MS = 300_000;

async function slowDisk(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  using log = new StraceLog();
  const enter = log.words({ call: ["read", "write", "fsync"], effect: `delay_enter=${SLOW_MICROSECONDS}` });
  const words = [mirror.destination, "--state", mirror.state, "--peer-port", "0", "--listen", "127.0.0.1:0"];
  const daemon = await RunningProgram.start(["daemon", ...words, "--now"], { enter });
  let slowestMs = 0;
  const isSynced = (): boolean => daemon.events.some((event) => event["event"] === "synced");
  const beginMs = performance.now();
  const spentMs = (): number => performance.now() - beginMs;
  while (!isSynced() && daemon.child.exitCode === null && spentMs() < SYNC_MS) {
    const startMs = performance.now();
    await (await fetch(`${daemon.ready.http}/.prsync/health`)).text();
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
    await setTimeout(50);
  }
  const patienceMs = Math.max(PATIENCE_MS, spentMs() / 2);
  const late = isSynced() ? [] : [`not synced after ${Math.round(spentMs())} ms: ${daemon.log}`];
  // strace passes no signal on: the daemon is its child.
  const [pid] = childrenOf(daemon.child.pid!);
  if (pid !== undefined) process.kill(pid, "SIGTERM");
  await daemon.stop();
  const slow = slowestMs > patienceMs ? [`an answer took ${Math.round(slowestMs)} ms`] : [];
  return { fired: log.fired(), problems: [...late, ...slow, ...mirror.findDamage(), ...(await mirror.finish())] };
}

function childrenOf(parent: number): number[] {
  const { stdout } = spawnSync("cat", [`/proc/${parent}/task/${parent}/children`], { encoding: "utf8" });
  return stdout.split(" ").filter(Boolean).map(Number);
}

/** For the row of ENOSPC. */
export const FILLED_DISK_PLAYS: readonly FaultPlay[] = whileHeld(
  "the disk is filled",
  { call: "write", fractions: spread(5) },
  filling,
);

export const SMALL_DISK_ROWS: readonly FaultRow[] = [
  {
    id: "S19",
    fault: "ENOSPC: inodes only",
    plays: [{ name: "a disk with fewer inodes than files", kind: "disk", play: tooFewInodes }],
  },
  {
    id: "S20",
    fault: "less space than the release needs",
    plays: [{ name: "refused before anything is fetched", kind: "disk", play: tooLittleSpace }],
  },
  {
    id: "S22",
    fault: "the file system turns read-only during the run",
    plays: [
      ...whileHeld("an error of the file system", { call: "write", fractions: spread(4) }, failing),
      ...whileHeld("an error of the file system", { call: "rename", fractions: spread(4) }, failing),
    ],
  },
  { id: "S24", fault: "EMFILE and ENFILE", plays: [fewDescriptors(24), fewDescriptors(32), fewDescriptors(40)] },
  {
    id: "S25",
    fault: "EXDEV: the staging area is on another file system",
    plays: [{ name: "a tmpfs on DEST/.prsync/staging", kind: "disk", play: stagingElsewhere }],
  },
  { id: "S34", fault: "a slow disk", plays: [{ name: "20 ms in each call, daemon", kind: "disk", play: slowDisk }] },
];

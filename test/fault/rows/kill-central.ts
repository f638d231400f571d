import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { LoopbackCentral } from "../../support/loopback-central.ts";
import { RunningProgram, runPrsync } from "../../support/program.ts";
import { rsyncDifferences } from "../../support/rsync-referee.ts";
import { compareTransition, digestTree, type TreeDigest } from "../../support/tree-digest.ts";
import type { FaultBed } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow, Played } from "../harness/fault-row.ts";
import { makeNextTree, makeOldTree } from "../harness/fault-tree.ts";
import { countCalls, runInjected, type CallName } from "../harness/injection.ts";
import { untilFired } from "../harness/until-fired.ts";
import { spread } from "./kill-sync.ts";

/** Not a bound of anything, only an end: a busy machine may be ten times as slow. */
const PATIENCE_MS = 240_000;
const COUNTED = ["write", "rename", "fsync", "mkdir", "link", "unlink"] as const;

/** kill -9 in the first sync of a mirror: enrolment, trust, index and contents all come into being. */
function killsOfFirstSync(call: CallName, fractions: readonly number[]): FaultPlay[] {
  return fractions.map((fraction) => ({
    name: `kill -9 in ${call} at ${fraction.toFixed(3)} of a first sync`,
    kind: "kill",
    play: (bed) => untilFired(fraction, (at) => killFirstSync(bed, call, at)),
  }));
}

async function killFirstSync(bed: FaultBed, call: CallName, fraction: number): Promise<Played> {
  const count = async (): ReturnType<typeof countCalls> => countCalls(await firstSync(bed), COUNTED);
  const when = await bed.callNumber("first sync", call, { fraction, count });
  const words = await firstSync(bed);
  const { fired } = await runInjected(words, { call, effect: "signal=SIGKILL", when: String(when) });
  // The ticket again, as a unit file would give it.
  const { code, stderr } = await runPrsync(words);
  const problems = code === 0 ? [] : [`the next run ended with ${code}: ${stderr.trim()}`];
  const differences = code === 0 ? await rsyncDifferences(bed.tree, words[2]!, true) : "";
  return { fired, problems: differences === "" ? problems : [...problems, differences] };
}

async function firstSync(bed: FaultBed): Promise<readonly string[]> {
  const place = bed.emptyDirectory();
  const ticket = await bed.invite(`first-${basename(place)}`);
  return ["sync", ticket, join(place, "mirror"), "--state", join(place, "state"), "--peer-port", "0", "--json"];
}

/** Release 1 is out and mirrored; TREE is ready for release 2. */
async function publisher(): Promise<{ central: LoopbackCentral; old: TreeDigest; next: TreeDigest }> {
  const central = new LoopbackCentral("fault-publish");
  makeOldTree(central.tree);
  const old = digestTree(central.tree);
  await central.publish();
  makeNextTree(central.tree);
  return { central, old, next: digestTree(central.tree) };
}

/** kill -9 in publish: mirrors see all of the old or all of the new release, and the next publish completes it. */
function killsOfPublish(call: CallName, fractions: readonly number[]): FaultPlay[] {
  return fractions.map((fraction) => ({
    name: `kill -9 in ${call} at ${fraction.toFixed(3)} of a publish`,
    kind: "kill",
    play: (bed) => untilFired(fraction, (at) => killPublish(bed, call, at)),
  }));
}

async function killPublish(bed: FaultBed, call: CallName, fraction: number): Promise<Played> {
  const when = await bed.callNumber("publish", call, { fraction, count: countPublish });
  const { central, old, next } = await publisher();
  await using _central = central;
  const words = ["publish", central.tree, "--json"];
  const injection = { call, effect: "signal=SIGKILL", when: String(when) };
  const { fired } = await runInjected(words, injection, { env: central.env });
  await central.serve();
  const { release } = await central.sync("mirror");
  const { wrong } = compareTransition(digestTree(central.mirror("mirror")), ...whole(release === 1 ? old : next));
  return { fired, problems: [...wrong, ...(await publishAndSync(central))] };
}

function whole(release: TreeDigest): [TreeDigest, TreeDigest] {
  return [release, release];
}

async function countPublish(): ReturnType<typeof countCalls> {
  const { central } = await publisher();
  await using _central = central;
  return await countCalls(["publish", central.tree, "--json"], COUNTED, { env: central.env });
}

/** What is left to do after a fault at central: nothing but the usual. */
export async function publishAndSync(central: LoopbackCentral, name = "mirror"): Promise<string[]> {
  await central.publish();
  await central.sync(name);
  const differences = await rsyncDifferences(central.tree, central.mirror(name), true);
  return differences === "" ? [] : [`after publish and sync rsync would change:\n${differences}`];
}

function killsOfRotation(role: string, call: CallName, fractions: readonly number[]): FaultPlay[] {
  return fractions.map((fraction) => ({
    name: `kill -9 in ${call} at ${fraction.toFixed(3)} of a change of the ${role} key`,
    kind: "kill",
    play: (bed) => untilFired(fraction, (at) => killRotation(bed, role, { call, fraction: at })),
  }));
}

async function killRotation(
  bed: FaultBed,
  role: string,
  { call, fraction }: { readonly call: CallName; readonly fraction: number },
): Promise<Played> {
  const count = (): ReturnType<typeof countCalls> => countRotation(role);
  const when = await bed.callNumber(`rotate ${role}`, call, { fraction, count });
  const { central } = await publisher();
  await using _central = central;
  await central.serve();
  await central.sync("mirror");
  const words = ["keys", central.tree, "rotate", role];
  const injection = { call, effect: "signal=SIGKILL", when: String(when) };
  const { fired } = await runInjected(words, injection, { env: central.env });
  const before = await syncProblems(central);
  const again = await runPrsync(words, { env: central.env });
  const problems = again.code === 0 ? [] : [`the next rotation ended with ${again.code}: ${again.stderr.trim()}`];
  return { fired, problems: [...before, ...problems, ...(await publishAndSync(central))] };
}

/** A mirror must go on believing central, whichever root it finds. */
async function syncProblems(central: LoopbackCentral): Promise<string[]> {
  return await central.sync("mirror").then(
    () => [],
    (error: unknown) => [`a mirror no longer believes central: ${String(error)}`],
  );
}

async function countRotation(role: string): ReturnType<typeof countCalls> {
  const { central } = await publisher();
  await using _central = central;
  return await countCalls(["keys", central.tree, "rotate", role], COUNTED, { env: central.env });
}

/** `serve --watch` publishes in a process of its own; that one is killed. */
async function killPublishOfServe(): Promise<Played> {
  const central = new LoopbackCentral("fault-child");
  await using _central = central;
  makeOldTree(central.tree);
  await central.publish();
  const watching = ["--watch", "--watch-quiet", "1s", "--listen", "127.0.0.1:0", "--peer-port", "0"];
  await using serve = await RunningProgram.start(["serve", central.tree, ...watching], { env: central.env });
  makeNextTree(central.tree);
  const child = await childOf(serve.child.pid!);
  process.kill(child, "SIGKILL");
  const ticket = await runPrsync(["invite", central.tree, "m", "--url", serve.ready.http], { env: central.env });
  const words = ["sync", ticket.stdout.trim(), central.mirror("m"), "--peer-port", "0", "--delete"];
  const deadline = performance.now() + PATIENCE_MS;
  for (let differences = "not synced"; ; await setTimeout(500)) {
    const { code } = await runPrsync(words, { env: central.env });
    if (code === 0) differences = await rsyncDifferences(central.tree, central.mirror("m"), true);
    if (differences === "") return { fired: 1, problems: [] };
    if (performance.now() > deadline)
      return { fired: 1, problems: [`not published again: ${differences}\n${serve.log}`] };
  }
}

async function childOf(parent: number): Promise<number> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    const threads = readdirSync(`/proc/${parent}/task`);
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${parent}/task/${thread}/children`, "utf8").split(" ").filter(Boolean),
    );
    if (children[0] !== undefined) return Number(children[0]);
    await setTimeout(2);
  }
  throw new Error("serve started no publish");
}

export const KILL_CENTRAL_ROWS: readonly FaultRow[] = [
  {
    id: "S01",
    fault: "kill -9 while metadata is fetched",
    plays: [...killsOfFirstSync("rename", spread(4)), ...killsOfFirstSync("fsync", spread(4, 0, 0.5))],
  },
  { id: "S07", fault: "kill -9 during garbage collection", plays: killsOfPublish("unlink", spread(3)) },
  {
    id: "S09",
    fault: "kill -9 during publish",
    plays: [
      ...killsOfPublish("rename", spread(4)),
      ...killsOfPublish("fsync", spread(4)),
      ...killsOfPublish("write", spread(3)),
      ...killsOfPublish("link", spread(2)),
    ],
  },
  {
    id: "S10",
    fault: "kill -9 during key rotation",
    plays: [...killsOfRotation("root", "rename", spread(3)), ...killsOfRotation("targets", "rename", spread(2))],
  },
  {
    id: "S12",
    fault: "kill -9 of a worker or child only",
    plays: [{ name: "kill -9 of the publish that serve started", kind: "kill", play: killPublishOfServe }],
  },
];

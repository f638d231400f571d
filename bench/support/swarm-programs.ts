import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { run, RunningProgram, runPrsync, runPrsyncJson } from "../../test/support/program.ts";
import { CoreIdle } from "./core-idle.ts";
import type { SwarmLinks } from "./swarm-links.ts";
import type { SwarmWork } from "./swarm-work.ts";

/** One release brought to all mirrors. */
export interface SwarmMeasurement {
  /** Until the last mirror has everything. */
  readonly seconds: number;
  /** Bytes that left central's interface meanwhile, headers and metadata included. */
  readonly centralSentBytes: number;
  /** Share of its time that the busiest core had nothing to do, 0 … 1. */
  readonly idle: number;
}

export interface SwarmScene {
  readonly links: SwarmLinks;
  readonly work: SwarmWork;
  /** Empty. */
  readonly directory: string;
}

export type SwarmProgram = (scene: SwarmScene) => Promise<SwarmMeasurement>;

const DEBIAN_PYTHON = "/usr/bin/python3";
const SUPPORT = import.meta.dirname;
const JOIN = "../../test/interop/libtorrent-join.py";
const PATIENCE_MS = 1_200_000;

/** `serve` and daemons that hold the release before; from the end of publish to the last daemon's word. */
export const prsyncSwarm: SwarmProgram = async (scene) => {
  const { links, work, directory } = scene;
  const tree = makeTree(directory);
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  work.before(tree);
  copyToMirrors(scene, tree);
  await runPrsyncJson(["publish", tree], { env });
  const words = ["serve", tree, "--listen", `${links.central.address}:7380`, "--announce-interval", "10s"];
  await using programs = new AsyncDisposableStack();
  programs.use(await RunningProgram.start(words, { enter: links.central.enter, env }));
  const daemons: RunningProgram[] = [];
  for (const [index, { enter }] of links.mirrors.entries()) {
    const url = `http://${links.central.address}:7380`;
    const ticket = (await runPrsync(["invite", tree, `m${index}`, "--url", url], { env })).stdout.trim();
    const words = ["daemon", ticket, mirrorPath(directory, index), ...exclusionOf(work, index)];
    const daemon = await RunningProgram.start(words, { enter, env });
    daemons.push(programs.use(daemon));
  }
  const allSynced = async (release: number): Promise<void> => {
    const isIt = (event: Record<string, unknown>): boolean =>
      event["event"] === "synced" && event["release"] === release;
    await Promise.all(daemons.map((daemon) => daemon.waitFor(isIt, PATIENCE_MS)));
  };
  await allSynced(1);
  work.after(tree);
  return await measured(links, {
    prepare: async () => (await runPrsyncJson<{ release: number }>(["publish", tree], { env })).release,
    act: allSynced,
    check: () => assertExact(scene, tree),
  });
};

/** An rsync daemon and `rsync -a` of each mirror, all at the same time. */
export const rsyncSwarm: SwarmProgram = async (scene) => {
  const { links, work, directory } = scene;
  const tree = makeTree(directory);
  work.before(tree);
  const config = join(directory, "rsyncd.conf");
  writeFileSync(config, `use chroot = no\nmax connections = 0\n[tree]\npath = ${tree}\nread only = yes\n`);
  const address = links.central.address;
  const words = ["rsync", "--daemon", "--no-detach", `--address=${address}`, `--config=${config}`];
  await using _daemon = running(start([...links.central.enter, ...words]));
  await untilAnswers(() => run("rsync", [`rsync://${address}/`], { enter: links.central.enter }));
  const all = async (): Promise<void> => {
    const one = ({ enter }: { readonly enter: readonly string[] }, index: number): Promise<string> =>
      run(
        "rsync",
        ["-a", "--delete", ...exclusionOf(work, index), `rsync://${address}/tree/`, `${mirrorPath(directory, index)}/`],
        { enter },
      );
    await Promise.all(links.mirrors.map(one));
  };
  copyToMirrors(scene, tree);
  await all();
  work.after(tree);
  return await measured(links, { prepare: async () => 0, act: all, check: () => assertExact(scene, tree) });
};

/** libtorrent everywhere and a small tracker on central; a torrent of the new tree, which the mirrors lack altogether. */
export const libtorrentSwarm: SwarmProgram = async ({ links, work, directory }) => {
  const tree = makeTree(directory);
  work.before(tree);
  work.after(tree);
  const address = links.central.address;
  const torrent = join(directory, "tree.torrent");
  const tracker = `http://${address}:6969/announce`;
  await run(DEBIAN_PYTHON, [join(SUPPORT, "make-torrent.py"), tree, tracker, torrent]);
  await using programs = new AsyncDisposableStack();
  const joinSwarm = (enter: readonly string[], place: string): ChildProcess =>
    programs.use(running(start([...enter, DEBIAN_PYTHON, join(SUPPORT, JOIN), torrent, place]))).child;
  programs.use(
    running(start([...links.central.enter, DEBIAN_PYTHON, join(SUPPORT, "http-tracker.py"), address, "6969"])),
  );
  await complete(joinSwarm(links.central.enter, directory));
  return await measured(links, {
    prepare: async () => 0,
    act: async () => {
      const peers = links.mirrors.map(({ enter }, index) => {
        mkdirSync(mirrorPath(directory, index));
        return complete(joinSwarm(enter, mirrorPath(directory, index)));
      });
      await Promise.all(peers);
    },
    check: () => Promise.resolve(),
  });
};
interface Steps {
  /** Not counted. */
  readonly prepare: () => Promise<number>;
  readonly act: (prepared: number) => Promise<void>;
  readonly check: () => Promise<void>;
}

async function measured(links: SwarmLinks, { prepare, act, check }: Steps): Promise<SwarmMeasurement> {
  const before = links.central.counters().sentBytes;
  const prepared = await prepare();
  const cores = CoreIdle.start();
  const startMs = performance.now();
  await act(prepared);
  const seconds = (performance.now() - startMs) / 1000;
  const centralSentBytes = links.central.counters().sentBytes - before;
  const idle = cores.lowest();
  await check();
  return { seconds, centralSentBytes, idle };
}

function exclusionOf(work: SwarmWork, mirror: number): string[] {
  const pattern = work.excludedBy(mirror);
  return pattern === undefined ? [] : ["--exclude", pattern];
}

/** The release before, not over the slow links. */
function copyToMirrors({ links, directory }: SwarmScene, tree: string): void {
  for (const index of links.mirrors.keys()) {
    cpSync(tree, mirrorPath(directory, index), { recursive: true, preserveTimestamps: true });
  }
}

function makeTree(directory: string): string {
  const tree = join(directory, "tree");
  mkdirSync(tree);
  return tree;
}

function mirrorPath(directory: string, index: number): string {
  return join(directory, `mirror-${index}`);
}

async function assertExact({ links, work, directory }: SwarmScene, tree: string): Promise<void> {
  for (const index of links.mirrors.keys()) {
    const words = ["-anic", "--delete", "--exclude=/.prsync", ...exclusionOf(work, index)];
    const differences = await run("rsync", [...words, `${tree}/`, `${mirrorPath(directory, index)}/`]);
    if (differences !== "") throw new Error(`mirror ${index} differs from the tree:\n${differences}`);
  }
}

function start(words: readonly string[]): ChildProcess {
  return spawn(words[0]!, words.slice(1), { stdio: ["ignore", "pipe", "ignore"] });
}

/** Ends the program at disposal. */
function running(child: ChildProcess): AsyncDisposable & { readonly child: ChildProcess } {
  return {
    child,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** Resolves when a libtorrent client says that it has everything. */
async function complete(child: ChildProcess): Promise<void> {
  for await (const chunk of child.stdout!) if (String(chunk).includes("complete")) return;
  throw new Error(`libtorrent ended with ${child.exitCode} before it was complete`);
}

async function untilAnswers(ask: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await ask();
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((wake) => setTimeout(wake, 100));
    }
  }
}

import { once } from "node:events";
import { watch } from "node:fs";
import { createInterface } from "node:readline";
import { start, type RunOptions } from "./program.ts";

/** "start" is everything before the first stage that the program tells of. */
export type StageName = "start" | "release" | "manifest" | "inventory" | "reuse" | "download" | "activate";

/** A moment in a run. */
export type Moment =
  /** So long after a stage began; "start": after the process was started, whatever the stage is then. */
  | { readonly stage: StageName; readonly afterMs: number }
  /** Once so many files were put into a directory that exists already. */
  | { readonly directory: string; readonly placedFiles: number };

export interface WatchedRun {
  readonly wasKilled: boolean;
  /** The last stage that the program told of. */
  readonly stage: StageName;
  /** When each stage began, milliseconds since the process was started. */
  readonly stageStartsMs: ReadonlyMap<StageName, number>;
  readonly lastedMs: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `prsync WORDS --verbose --json`, watches its stages, and kills it with SIGKILL at a moment: earlier if the stage
 * is over before, never if the run is.
 */
export async function watchRun(words: readonly string[], options: RunOptions, moment?: Moment): Promise<WatchedRun> {
  const child = start([...words, "--verbose", "--json"], options);
  const startMs = performance.now();
  const stageStartsMs = new Map<StageName, number>([["start", 0]]);
  const log: string[] = [];
  let stdout = "";
  let stage: StageName = "start";
  let timer: NodeJS.Timeout | undefined;
  const kill = (): void => void child.kill("SIGKILL");
  const enter = (name: StageName): void => {
    stage = name;
    stageStartsMs.set(name, performance.now() - startMs);
    if (moment === undefined || !("stage" in moment)) return;
    if (timer !== undefined && moment.stage !== "start") kill();
    else if (moment.stage === name) timer = setTimeout(kill, moment.afterMs);
  };
  enter("start");
  using _watcher = moment !== undefined && "directory" in moment ? onPlaced(moment, kill) : undefined;
  child.stdout!.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  createInterface({ input: child.stderr! }).on("line", (line) => {
    log.push(line);
    const name = / debug sync stage stage=([a-z]+)$/.exec(line)?.[1];
    if (name !== undefined && child.exitCode === null && child.signalCode === null) enter(name as StageName);
  });
  const [, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  const lastedMs = performance.now() - startMs;
  return { wasKilled: signal === "SIGKILL", stage, stageStartsMs, lastedMs, stdout, stderr: log.join("\n") };
}

function onPlaced(moment: { directory: string; placedFiles: number }, act: () => void): Disposable {
  const names = new Set<string | null>();
  const watcher = watch(moment.directory, (_, name) => {
    names.add(name);
    if (names.size === moment.placedFiles) act();
  });
  return { [Symbol.dispose]: () => watcher.close() };
}

/** `count` moments spread evenly over the stages from `from` to `to` of an undisturbed run, in order. */
export function spreadMoments(run: WatchedRun, span: { from: StageName; to: StageName }, count: number): Moment[] {
  const names = [...run.stageStartsMs.keys()];
  const startMs = run.stageStartsMs.get(span.from)!;
  const next = names[names.indexOf(span.to) + 1];
  const endMs = next === undefined ? run.lastedMs : run.stageStartsMs.get(next)!;
  return Array.from({ length: count }, (_, index) => {
    const atMs = startMs + ((endMs - startMs) * (index + 0.5)) / count;
    const stage = names.findLast((name) => run.stageStartsMs.get(name)! <= atMs)!;
    return { stage, afterMs: atMs - run.stageStartsMs.get(stage)! };
  });
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { messageOf } from "../core/errors.ts";
import type { Mirror } from "../edge/mirror.ts";
import type { runSync, SyncOutcome } from "../edge/sync-job.ts";
import type { SyncSummary } from "../report/sync-summary.ts";
import type { ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";
import type { CommandContext } from "./command.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { HookError } from "./hook-error.ts";
import { exitCodeOfOutcome } from "./sync-report.ts";

/** What `sync` and `daemon` run before and after each sync. */
export const HOOK_OPTIONS: readonly OptionSpec[] = [
  {
    name: "pre-sync",
    kind: "text",
    placeholder: "CMD",
    help: "run CMD by /bin/sh before a sync; if it fails, nothing is synced (exit code 21)",
  },
  {
    name: "post-sync",
    kind: "text",
    placeholder: "CMD",
    help: "run CMD by /bin/sh after a sync, done or failed; PRSYNC_EXIT_CODE and others tell about it",
  },
];

type HookName = "pre-sync" | "post-sync";
type Synchronise = typeof runSync;

/** The commands of `--pre-sync` and `--post-sync`. DEST is this program's while they run. */
export class SyncHooks {
  readonly #args: ParsedArguments;
  readonly #context: CommandContext;

  constructor(args: ParsedArguments, context: CommandContext) {
    this.#args = args;
    this.#context = context;
  }

  /**
   * A sync between its hooks. A failed pre-sync hook leaves nothing to undo, so no post-sync hook follows it.
   * @param onFailed called with what the post-sync hook did wrong: the sync is over, its outcome stays
   */
  around(synchronise: Synchronise, onFailed: (error: HookError) => void): Synchronise {
    const after = async (mirror: Mirror, exitCode: number, facts: Facts): Promise<void> => {
      try {
        await this.#run("post-sync", mirror, { PRSYNC_EXIT_CODE: exitCode, ...facts });
      } catch (error) {
        if (!(error instanceof HookError)) throw error;
        onFailed(error);
      }
    };
    return async (mirror, options, progress) => {
      await this.#run("pre-sync", mirror, {}, mirror.ports.signal);
      let outcome: SyncOutcome;
      try {
        outcome = await synchronise(mirror, options, progress);
      } catch (error) {
        const code = mirror.ports.signal.aborted ? EXIT.signal : exitCodeOf(error);
        await after(mirror, code, { PRSYNC_ERROR: messageOf(error) });
        throw error;
      }
      await after(mirror, exitCodeOfOutcome(outcome), factsOf(outcome.summary));
      return outcome;
    };
  }

  /** @param signal ends the command; what comes after a sync is let end. @throws HookError; the signal's reason */
  async #run(name: HookName, mirror: Mirror, facts: Facts, signal?: AbortSignal): Promise<void> {
    const command = this.#args.text(name);
    if (command === undefined) return;
    const told: Facts = {
      PRSYNC_HOOK: name,
      PRSYNC_DEST: mirror.destination.rootPath,
      PRSYNC_PREVIOUS: mirror.index.facts.get("heldRelease") ?? 0,
      ...facts,
    };
    await runShell(name, command, { env: { ...withoutTicket(this.#context.env), ...textsOf(told) }, signal });
  }
}

type Facts = Readonly<Record<string, string | number>>;
type Environment = Readonly<Record<string, string | undefined>>;

function factsOf({ release, previous, files, bytes, seconds }: SyncSummary): Facts {
  return {
    PRSYNC_RELEASE: release,
    PRSYNC_PREVIOUS: previous,
    PRSYNC_FILES: files.total,
    PRSYNC_FILES_CHANGED: files.copied + files.delta + files.fetched,
    PRSYNC_FILES_REMOVED: files.removed,
    PRSYNC_BYTES: bytes.total,
    PRSYNC_BYTES_RECEIVED: bytes.received,
    PRSYNC_BYTES_FROM_PEERS: bytes.fromPeers,
    PRSYNC_BYTES_FROM_ORIGIN: bytes.fromOrigin,
    PRSYNC_SECONDS: seconds,
  };
}

function textsOf(facts: Facts): Environment {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value)]));
}

/** It admits a mirror: not for every child of a hook. */
function withoutTicket(env: Environment): Environment {
  return { ...env, PRSYNC_TICKET: undefined };
}

/** Both outputs go to standard error: standard output is this program's. @throws HookError; the signal's reason */
async function runShell(
  name: HookName,
  command: string,
  { env, signal }: { readonly env: Environment; readonly signal: AbortSignal | undefined },
): Promise<void> {
  signal?.throwIfAborted();
  // A group of its own, so that what the shell started ends with it.
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["ignore", 2, 2], env, detached: true });
  const stop = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
  };
  signal?.addEventListener("abort", stop);
  try {
    const [code, killedBy] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    signal?.throwIfAborted();
    if (code !== 0) throw new HookError("hook-failed", `${name} hook "${command}" ended with ${code ?? killedBy}`);
  } catch (error) {
    if (error instanceof HookError || signal?.aborted === true) throw error;
    throw new HookError("hook-failed", `${name} hook can't be started: ${messageOf(error)}`, { cause: error });
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

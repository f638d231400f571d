import { readFileSync, rmSync } from "node:fs";
import { runPrsync, type RunOptions, type RunResult } from "../../support/program.ts";

/** Every name that a system call which changes something goes by. */
export const SYSTEM_CALLS = {
  /** Of files alone: an event of Node's own loop that can't be written ends it. */
  write: "pwrite64,pwritev",
  anyWrite: "write,pwrite64,writev,pwritev",
  rename: "rename,renameat,renameat2",
  fsync: "fsync,fdatasync",
  syncfs: "syncfs,sync",
  mkdir: "mkdir,mkdirat",
  link: "link,linkat",
  symlink: "symlink,symlinkat",
  unlink: "unlink,unlinkat,rmdir",
  open: "open,openat",
  truncate: "ftruncate",
  chmod: "chmod,fchmod,fchmodat",
  utimes: "utimensat",
  read: "pread64",
} as const;

export type CallName = keyof typeof SYSTEM_CALLS;

/** What happens to the calls, in the words of strace: "signal=SIGKILL", "error=ENOSPC", "retval=0", "delay_enter=100000". */
export interface Injection {
  readonly call: CallName | readonly CallName[];
  readonly effect: string;
  /** As in strace's `when`: "7" the seventh call of a thread, "7+" all from it on; all if left out. */
  readonly when?: string;
  /** Only calls on these paths (or descriptors of them). */
  readonly paths?: readonly string[];
}

export interface InjectedRun extends RunResult {
  /** How often strace says that the fault happened. */
  readonly fired: number;
}

let logs = 0;

/** On the disk of a mirror, or below a directory that is held open. */
const MIRROR_PATH = /\.mounted\/|"\/proc\/self\/fd\//;

/** Runs `prsync WORDS` with faults in its system calls; one thread in the pool makes the count repeatable. */
export async function runInjected(
  words: readonly string[],
  injection: Injection,
  options: RunOptions = {},
): Promise<InjectedRun> {
  using log = new StraceLog();
  const enter = [...log.words(injection), ...(options.enter ?? [])];
  const env = { UV_THREADPOOL_SIZE: "1", ...options.env };
  const result = await runPrsync(words, { ...options, enter, env });
  return { ...result, fired: log.fired() };
}

/** Calls of one kind by the thread that makes the most of them, counted from 1 as in `when`. */
export interface CallRange {
  /** The first that touches the mirror: those before are the program's own start. */
  readonly from: number;
  readonly to: number;
}

/** What `when` can say of a run. */
export async function countCalls(
  words: readonly string[],
  calls: readonly CallName[],
  options: RunOptions = {},
): Promise<ReadonlyMap<CallName, CallRange>> {
  using log = new StraceLog();
  const names = calls.map((call) => SYSTEM_CALLS[call]).join(",");
  const enter = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", log.path, "-e", `trace=${names}`];
  await runPrsync(words, { ...options, enter, env: { UV_THREADPOOL_SIZE: "1", ...options.env } });
  return new Map(calls.map((call) => [call, log.busiest(SYSTEM_CALLS[call].split(","))]));
}

export class StraceLog implements Disposable {
  readonly path: string;

  constructor() {
    this.path = `/tmp/prsync-strace-${process.pid}-${logs++}`;
  }

  /** Words before a command. */
  words({ call, effect, when, paths = [] }: Injection): readonly string[] {
    const names = [call].flat().map((name) => SYSTEM_CALLS[name]);
    const set = names.join(",");
    const inject = `inject=${set}:${effect}${when === undefined ? "" : `:when=${when}`}`;
    const only = ["-e", `trace=${set}`, "-e", inject];
    const filter = paths.flatMap((path) => ["-P", path]);
    // strace 6.1 forgets signals when it has seccomp choose the calls, and seccomp can't look at paths.
    const isQuick = paths.length === 0 && !effect.startsWith("signal");
    return ["strace", "-f", "-q", ...(isQuick ? ["--seccomp-bpf"] : []), "-o", this.path, ...only, ...filter];
  }

  fired(): number {
    const text = this.#text();
    // A call that SIGKILL ends has no line of its own, and each thread tells that it was killed.
    return (text.match(/INJECTED|DELAYED/g) ?? []).length || Number(text.includes("killed by SIGKILL"));
  }

  /** Lines that say this word. */
  count(word: string): number {
    return this.#text().split(word).length - 1;
  }

  /** Of a thread that SIGSTOP holds. */
  stopped(): number | undefined {
    const id = /^(\d+) +--- stopped by SIGSTOP ---$/m.exec(this.#text())?.[1];
    return id === undefined ? undefined : Number(id);
  }

  busiest(names: readonly string[]): CallRange {
    const perThread = new Map<string, string[]>();
    for (const line of this.#text().split("\n")) {
      const match = /^(\d+) +([a-z0-9]+)\(/.exec(line);
      if (match === null || !names.includes(match[2]!)) continue;
      const lines = perThread.get(match[1]!) ?? [];
      perThread.set(match[1]!, [...lines, line]);
    }
    const [busiest = []] = [...perThread.values()].sort((a, b) => b.length - a.length);
    const first = busiest.findIndex((line) => MIRROR_PATH.test(line));
    return { from: Math.max(1, first + 1), to: busiest.length };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { force: true });
  }

  #text(): string {
    try {
      return readFileSync(this.path, "utf8");
    } catch {
      return "";
    }
  }
}

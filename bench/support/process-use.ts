import { readdirSync, readFileSync } from "node:fs";

/** CPU ticks in a second (USER_HZ, which Linux fixes for proc(5)). */
const TICKS_PER_SECOND = 100;

export interface ProcessUse {
  readonly residentMegabytes: number;
  /** The most that it ever held; of several processes the sum, though their peaks may have been at different moments. */
  readonly peakMegabytes: number;
  /** User and system time since the processes started, seconds. */
  readonly cpuSeconds: number;
}

/** What a running process and those it started hold and have used, by proc(5). */
export function processUse(pid: number): ProcessUse {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  // The program's name in parentheses may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  let residentMegabytes = megabytesIn(status, "VmRSS");
  let peakMegabytes = megabytesIn(status, "VmHWM");
  let cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  for (const child of childrenOf(pid)) {
    const use = processUse(child);
    residentMegabytes += use.residentMegabytes;
    peakMegabytes += use.peakMegabytes;
    cpuSeconds += use.cpuSeconds;
  }
  return { residentMegabytes, peakMegabytes, cpuSeconds };
}

function megabytesIn(status: string, field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0;
  return (1024 * Number(kilobytes)) / 1e6;
}

/** Of each thread: a child belongs to the thread that started it. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const CALLS = "read,pread64,readv,preadv,preadv2,sendfile,copy_file_range,mmap";

/** True if system calls can be watched. */
export function canTrace(): boolean {
  try {
    execFileSync("strace", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Words to put before a command so that its reads are written to `log`. */
export function traced(log: string): readonly string[] {
  return ["strace", "-f", "-qq", "-y", "-s", "0", "-e", `trace=${CALLS}`, "-e", "signal=none", "-o", log];
}

/** Files below `directory`, but for PRsync's own, that a traced command read. `directory` must be its real path. */
export function filesRead(log: string, directory: string): string[] {
  const read = new Set<string>();
  for (const [, path] of readFileSync(log, "latin1").matchAll(/\d<([^>]+)>/g)) {
    if (path!.startsWith(`${directory}/`) && !path!.startsWith(`${directory}/.prsync/`)) read.add(path!);
  }
  return [...read];
}

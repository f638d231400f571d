import * as fs from "node:fs";

/** Threads of Node's workers in this process (proc(5)). */
export function workerThreadCount(): number {
  const names = fs.readdirSync("/proc/self/task").map((thread) => nameOf(thread));
  return names.filter((name) => name === "WorkerThread").length;
}

function nameOf(thread: string): string | undefined {
  try {
    return fs.readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trim();
  } catch {
    return undefined; // it ended meanwhile
  }
}

import { spawnSync } from "node:child_process";
import { run } from "./program.ts";

/**
 * What rsync would still have to change so that `destination` equals `source`, checksums compared: "" if nothing.
 * @param links also compare hard links
 */
export async function rsyncDifferences(source: string, destination: string, links = false): Promise<string> {
  const flags = links ? "-anicH" : "-anic";
  return await run("rsync", [flags, "--delete", "--exclude=/.prsync", `${source}/`, `${destination}/`]);
}

/** Whether rsync is installed; `.ci/run` installs it. */
export function hasRsync(): boolean {
  return spawnSync("rsync", ["--version"], { stdio: "ignore" }).status === 0;
}

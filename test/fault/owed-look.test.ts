import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync, start } from "../support/program.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { canPlayFaults, LoopDisk } from "./harness/loop-disk.ts";

const LATE = "commit=300";
const needs = canPlayFaults() ? "" : " (skipped: needs root, loop devices, rsync and strace)";

test.skipIf(needs !== "")(
  `a power cut after other paths were selected leaves the note that all are to be looked at${needs}`,
  async () => {
    await using central = new LoopbackCentral("owed-look");
    writeFileSync(join(central.tree, "small"), "small");
    writeFileSync(join(central.tree, "large"), randomBytesOf(1, 8 * 2 ** 20));
    await central.publish();
    await central.serve();
    const directory = mkdtempSync(join(tmpdir(), "prsync-owed-look-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    await using disk = LoopDisk.format(join(directory, "disk"), { bytes: 64 * 2 ** 20 }).mount(LATE);
    const [destination, state] = [join(disk.path, "mirror"), join(directory, "identity")];
    const words = [destination, "--state", state, "--peer-port", "0"];
    const first = ["sync", await central.invite("mirror"), ...words, "--exclude", "large"];
    expect(await runPrsync(first)).toMatchObject({ code: 0, stderr: "" });
    spawnSync("sync", ["-f", disk.path]);
    const power = await disk.switch();
    const child = start(["sync", ...words, "--everything", "--bwlimit", "1M"]);
    const selection = (): string => readFileSync(join(state, "selection.json"), "utf8");
    await expect.poll(selection, { timeout: 30_000, interval: 10 }).not.toContain("large");
    await power.cut();
    child.kill("SIGKILL");
    await disk.comeBack(LATE);
    expect(lastWholeWalk(join(destination, ".prsync/index.sqlite"))).toBe(0);
  },
  120_000,
);

function lastWholeWalk(path: string): unknown {
  using database = new DatabaseSync(path);
  return database.prepare("SELECT value FROM meta WHERE key = 'lastWholeWalkMs'").get()?.["value"];
}

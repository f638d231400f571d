import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync, start } from "../support/program.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { canPlayFaults, LoopDisk } from "./harness/loop-disk.ts";

const MEGABYTE = 2 ** 20;
const needs = canPlayFaults() ? "" : " (skipped: needs root, loop devices, rsync and strace)";

test.skipIf(needs !== "")(
  `a first sync that was killed half way goes on where only the rest has room${needs}`,
  async () => {
    await using central = new LoopbackCentral("staged-room");
    for (let index = 0; index < 40; index++)
      writeFileSync(join(central.tree, `${index}`), randomBytesOf(index, MEGABYTE));
    await central.publish();
    await central.serve();
    const directory = mkdtempSync(join(tmpdir(), "prsync-staged-room-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    await using disk = LoopDisk.format(join(directory, "disk"), { bytes: 64 * MEGABYTE }).mount();
    const destination = join(disk.path, "mirror");
    const words = ["sync", await central.invite("mirror"), destination, "--peer-port", "0"];
    const child = start([...words, "--bwlimit", "8M"], { env: central.env });
    const staging = join(destination, ".prsync/staging");
    await expect.poll(() => bytesIn(staging), { timeout: 60_000, interval: 50 }).toBeGreaterThan(22 * MEGABYTE);
    child.kill("SIGKILL");
    expect(existsSync(join(destination, "0"))).toBe(false);
    expect(await runPrsync(words, { env: central.env })).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(destination).filter((name) => name !== ".prsync")).toHaveLength(40);
  },
  120_000,
);

function bytesIn(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory).reduce((sum, name) => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false });
    return sum + (stats?.isFile() === true ? stats.blocks * 512 : 0);
  }, 0);
}

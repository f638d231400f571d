import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { all, gone, moved, plainTree } from "../support/parity-trees.ts";
import { ParityBench } from "../support/rsync-parity.ts";
import { hasRsync } from "../support/rsync-referee.ts";

const AGE_MS = 1_000;

describe.skipIf(!hasRsync())("removals that wait", () => {
  let bench: ParityBench;

  beforeAll(async () => {
    bench = new ParityBench("held-back");
    await bench.release(plainTree);
  });
  afterAll(async () => bench[Symbol.asyncDispose]());

  test("until AGE a mirror is as rsync without --delete leaves it, then as with --delete", async () => {
    await bench.run("patient", {});
    await bench.release(all(gone("a.txt"), moved("sub/deep", "sub/deeper"), moved("b.bin", "moved.bin")), "keeps");
    await bench.run("patient", { ours: ["--delete-after-age", "1d"] });
    expect(await bench.differences("patient")).toBe("");
    const { ours, theirs } = await bench.run("patient", { ours: ["--delete-after-age", "0"], theirs: ["--delete"] });
    expect(await bench.differences("patient")).toBe("");
    expect(ours).toEqual(theirs);
  });

  test("a mirror that is killed -9 right after it saw a path gone has not forgotten it", async () => {
    await bench.run("killed", {});
    await bench.release(gone("script.sh"), "keeps");
    const age = `--delete-after-age=${AGE_MS}ms`;
    // The hook runs while the index is still open.
    const killed = await bench.sync("killed", [age, "--post-sync", "kill -9 $PPID"]);
    expect(killed.code).toBe("SIGKILL");
    await pause(AGE_MS);
    expect((await bench.sync("killed", ["-i", age])).stdout).toContain("*deleting   script.sh");
  });
});

import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Entry } from "../../src/manifest/entry.ts";
import { diffEntry } from "../../src/manifest/path-change.ts";
import { NewerCentral, readNewestRelease, type WholeRelease } from "../support/newer-central.ts";
import { run, RunningProgram, runPrsync, runPrsyncJson, type RunResult } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { TamperingProxy } from "../support/tampering-proxy.ts";

const LOOPBACK = ["--listen", "127.0.0.1:0", "--peer-port", "0"];
/** Keys of a later version, of every kind of value. */
const UNKNOWN = [
  ["licence", "free"],
  ["zones", [{ name: "north", weight: 3, isOpen: true, parent: null }]],
] as const;

/** A mirror of this program at a central of a later one, whose documents have more than this program knows. */
describe("a release of a later version", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-growth-"));
  const tree = join(directory, "tree");
  const kept = join(directory, "kept");
  const stateDirectory = join(directory, "central");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  let central: RunningProgram;
  let proxy: TamperingProxy;
  let current: WholeRelease;
  let copies = 0;

  beforeAll(async () => {
    mkdirSync(join(tree, "pool"), { recursive: true });
    writeFileSync(join(tree, "pool/large"), randomBytesOf(1, 300_000));
    writeFileSync(join(tree, "script"), "#!/bin/sh\n", { mode: 0o755 });
    symlinkSync("pool/large", join(tree, "latest"));
    await runPrsyncJson(["publish", tree, "--state", stateDirectory]);
    central = await RunningProgram.start(["serve", tree, ...LOOPBACK, "--state", stateDirectory]);
    proxy = await TamperingProxy.start(central.ready.http);
    current = readNewestRelease(stateDirectory, `${tree}.prsync`);
    await run("cp", ["-a", tree, kept]);
    chmodSync(join(tree, "script"), 0o700);
  }, 120_000);

  beforeEach(() => proxy.clear());

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await central.stop();
    rmSync(directory, { recursive: true });
  });

  test("with unknown keys in changes and entries is synced by its change list", async () => {
    expect((await firstSync("by-list")).code).toBe(0);
    const entries = current.entries.map(grow);
    const changes = entries.map((entry, index) => diffEntry(current.entries[index], entry)!);
    await newerCentral().publish({
      ...current,
      entries,
      release: grownRelease(),
      changes: { from: 1, to: 2, requires: [], bundlesAdded: [], bundlesRetired: [], changes, unknown: UNKNOWN },
    });
    const result = await sync("by-list");
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(result.stdout)).toMatchObject({ release: 2, previous: 1 });
    expect(await rsyncDifferences(tree, join(directory, "by-list"))).toBe("");
  });

  test("with unknown keys in index, bundles and everywhere else fills an empty mirror", async () => {
    await newerCentral().publish({
      bundles: current.bundles.map((row) => ({ ...row, table: { ...row.table, unknown: UNKNOWN }, unknown: UNKNOWN })),
      entries: current.entries.map(grow),
      release: grownRelease(),
      ofChunk: { unknown: UNKNOWN },
    });
    // Answers of tracker and enrolment have grown too.
    proxy.replace(/\/(?:announce|enrol)(?:\?|$)/, (body) =>
      Buffer.from(JSON.stringify({ ...(JSON.parse(body.toString()) as object), ...Object.fromEntries(UNKNOWN) })),
    );
    expect((await firstSync("empty")).code).toBe(0);
    expect(proxy.replaced.join("\n")).toMatch(/POST \/\.prsync\/enrol\nPOST \/\.prsync\/announce/);
    expect(await rsyncDifferences(tree, join(directory, "empty"))).toBe("");
  });

  test("that requires what this program does not know is refused with a message, the tree stays", async () => {
    expect((await firstSync("old")).code).toBe(0);
    await newerCentral().publish({ ...current, release: { ...grownRelease(), requires: ["time-travel"] } });
    const refused = await sync("old");
    expect(refused.stderr).toBe(
      'prsync: release.json needs "time-travel", which this version of prsync does not know: install a newer one\n' +
        "prsync error: unknown-requirement (code 2)\n",
    );
    expect(refused.code).toBe(2);
    expect(await rsyncDifferences(kept, join(directory, "old"))).toBe("");
    proxy.clear();
    expect((await sync("old")).code).toBe(0);
  });

  function newerCentral(): NewerCentral {
    return new NewerCentral(proxy, stateDirectory, join(directory, `newer-${copies++}`));
  }

  /** Release 2: the script has another mode, and all that can have more keys has more. */
  function grownRelease(): WholeRelease["release"] {
    const { release } = current;
    return {
      ...release,
      number: 2,
      previous: 1,
      totals: { ...release.totals, unknown: UNKNOWN },
      root: { ...release.root, unknown: UNKNOWN },
      index: { ...release.index, unknown: UNKNOWN },
      bundles: { ...release.bundles, unknown: UNKNOWN },
      unknown: UNKNOWN,
    };
  }

  async function firstSync(name: string): Promise<RunResult> {
    const words = ["invite", tree, name, "--url", proxy.url, "--state", stateDirectory];
    const ticket = (await runPrsync(words)).stdout.trim();
    return await runPrsync(["sync", ticket, join(directory, name), "--peer-port", "0", "--json"], { env });
  }

  async function sync(name: string): Promise<RunResult> {
    return await runPrsync(["sync", join(directory, name), "--delete", "--peer-port", "0", "--json"], { env });
  }
});

function grow(entry: Entry): Entry {
  const grown = { ...entry, unknown: UNKNOWN };
  return grown.kind === "file" && grown.path.toString() === "script" ? { ...grown, mode: 0o700 } : grown;
}

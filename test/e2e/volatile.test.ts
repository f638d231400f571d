import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync, type RunningProgram } from "../support/program.ts";

const FILE_BYTES = 100_000;
const QUOTA_BYTES = 16 * FILE_BYTES;
const VOLATILE = ["--role", "volatile", "--quota", String(QUOTA_BYTES)];
const NAMES = ["night", "weekend"];

/** Three releases of 40, 8 and 4 files, and volunteers that have room for 16. */
describe("volatile volunteers", () => {
  const central = new LoopbackCentral("volatile");
  const daemons: RunningProgram[] = [];

  beforeAll(async () => {
    await publish(1, 40);
    await central.serve(["--announce-interval", "10s"]);
    await publish(2, 8);
    await publish(3, 4);
    for (const name of NAMES) daemons.push(await central.daemon(name, VOLATILE));
    for (const daemon of daemons) await daemon.waitFor(({ event }) => event === "synced");
  }, 120_000);

  afterAll(async () => {
    for (const daemon of daemons) await daemon.stop("SIGKILL");
    await central[Symbol.asyncDispose]();
  });

  test("hold the newest releases whole and different parts of the one before, within their quota", () => {
    for (const name of NAMES) {
      expect(countsOf(name)).toEqual({ "release-3": 4, "release-2": 8, "release-1": 4 });
      expect(bytesOf(name)).toBeLessThanOrEqual(QUOTA_BYTES);
    }
    expect(new Set(NAMES.flatMap((name) => filesOf(name, 1))).size).toBeGreaterThan(4);
  });

  test("customers are sent there for what they hold, for all else central serves", async () => {
    await expect.poll(() => eligible("release-3/0"), { timeout: 30_000 }).toEqual(NAMES);
    const answer = await fetch(`${central.url}/release-3/0`, { redirect: "manual" });
    expect(daemons.map(({ ready }) => new URL(ready.http).origin)).toContain(
      new URL(answer.headers.get("location")!).origin,
    );
    const held = new Set(NAMES.flatMap((name) => filesOf(name, 1)));
    const old = Array.from({ length: 40 }, (_, index) => String(index)).find((name) => !held.has(name))!;
    expect(await eligible(`release-1/${old}`)).toEqual([]);
    expect((await fetch(`${central.url}/release-1/${old}`, { redirect: "manual" })).status).toBe(200);
  }, 60_000);

  test("the operator sees who is volatile", async () => {
    const listed = await runPrsync(["volunteers", central.tree], { env: central.env });
    expect(listed.stdout).toMatch(/^night\tenrolled\t.*, volatile: 1.6 MB$/m);
    expect(await (await fetch(`${central.url}/.prsync/status`)).text()).toContain("enrolled, volatile (1.6 MB)");
  });

  test("options that can't keep the quota are refused in words", async () => {
    for (const [words, told] of [
      [["--role", "volatile"], "--role volatile needs --quota"],
      [[...VOLATILE, "--no-delete"], "--no-delete and --quota contradict each other"],
    ] as const) {
      const refused = await runPrsync(["daemon", central.mirror("night"), ...words], { env: central.env });
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(told) as string });
    }
  });

  test("a new release moves them on: what is older goes", async () => {
    await publish(4, 6);
    for (const daemon of daemons) await daemon.waitFor(({ event, release }) => event === "synced" && release === 4);
    for (const name of NAMES) {
      const { "release-1": oldest = 0, ...newer } = countsOf(name);
      expect([newer, oldest]).toEqual([{ "release-4": 6, "release-3": 4, "release-2": 6 }, 0]);
      expect(bytesOf(name)).toBeLessThanOrEqual(QUOTA_BYTES);
    }
  });

  test("one vanishes: customers have their files all the same", async () => {
    await expect.poll(() => eligible("release-4/0"), { timeout: 30_000 }).toEqual(NAMES);
    await daemons[0]!.stop("SIGKILL");
    const tries: number[] = [];
    for (let turn = 0; turn < 6; turn++) tries.push(await triesNeeded(`release-4/${turn}`));
    expect(Math.max(...tries)).toBeLessThanOrEqual(2);
  }, 60_000);

  async function publish(number: number, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const path = join(central.tree, `release-${number}/${index}`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, randomBytes(FILE_BYTES));
    }
    await central.publish();
  }

  function filesOf(name: string, number: number): string[] {
    return readdirSync(join(central.mirror(name), `release-${number}`));
  }

  function countsOf(name: string): Record<string, number> {
    const directories = readdirSync(central.mirror(name)).filter((directory) => directory.startsWith("release-"));
    const counts = directories.map((directory) => [
      directory,
      readdirSync(join(central.mirror(name), directory)).length,
    ]);
    return Object.fromEntries(counts.filter(([, count]) => count !== 0)) as Record<string, number>;
  }

  function bytesOf(name: string): number {
    const files = readdirSync(central.mirror(name), { recursive: true, encoding: "utf8" });
    const own = files
      .filter((path) => path.startsWith("release-"))
      .map((path) => statSync(join(central.mirror(name), path)));
    return own.reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
  }

  async function eligible(path: string): Promise<readonly string[]> {
    const answer = (await (await fetch(`${central.url}/${path}?explain=json`)).json()) as {
      readonly ranked: readonly { readonly name: string }[];
    };
    return answer.ranked.map(({ name }) => name).sort();
  }

  async function triesNeeded(path: string): Promise<number> {
    for (let tries = 1; ; tries++) {
      const bytes = await fetch(`${central.url}/${path}`).then(
        (answer) => answer.bytes(),
        () => undefined,
      );
      if (bytes?.length === FILE_BYTES) return tries;
    }
  }
});

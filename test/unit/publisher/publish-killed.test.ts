import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import type { PublishedTreeReader } from "../../../src/store/published-tree.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { path, problemsOf, PublishFixture, readContent, readManifest, sha256 } from "./published-fixture.ts";

const CHILD = new URL("./publish-child.ts", import.meta.url).pathname;

/** When a publisher dies: so long after it began to scan, or at its nth look at the clock. */
interface Death {
  readonly afterMs?: number;
  readonly atLook?: number;
}

/** Runs a publisher and kills it; the last phase it told of, and how long it ran from the scan on. */
async function publishKilled(fixture: PublishFixture, death: Death): Promise<{ phase: string; ms: number }> {
  const { stateDirectory, treePath, workDirectory } = fixture.options;
  const args = [CHILD, treePath, stateDirectory, workDirectory, String(death.atLook ?? 0)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let told = "start\n";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
  await Promise.race([once(child.stdout, "data"), closed]);
  const startMs = performance.now();
  const timer = death.afterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), death.afterMs);
  const [exitCode, signal] = (await closed) as [number | null, string | null];
  expect(signal ?? exitCode).toBe(signal === null ? 0 : "SIGKILL");
  clearTimeout(timer);
  return { phase: told.trim().split("\n").at(-1)!, ms: performance.now() - startMs };
}

/** New files, one replaced, one removed: every round has something to hash, bundle and sign. */
function changeTree(tree: string, round: number): void {
  const replace = (name: string, bytes: Uint8Array): void => {
    fs.writeFileSync(join(tree, `${name}.new`), bytes);
    fs.renameSync(join(tree, `${name}.new`), join(tree, name));
  };
  for (let file = 0; file < 60; file++)
    replace(`round-${round % 3}-${file}`, randomBytesOf(1_000 * round + file, 20_000));
  replace("large", randomBytesOf(round, 4_000_000));
  fs.rmSync(join(tree, `gone-${round - 1}`), { force: true });
  fs.writeFileSync(join(tree, `gone-${round}`), `${round}`);
}

/** All of the release that mirrors see must be there right after a kill, though TREE has moved on. */
async function expectWhole(tree: PublishedTreeReader): Promise<void> {
  await tree.refresh();
  expect(await problemsOf(tree)).toEqual([]);
}

/** Files of the work directory by hash, but for those that the current release needs: for a leak to show. */
function storedFiles(fixture: PublishFixture, folder: string): string[] {
  const names = fs.readdirSync(join(fixture.options.workDirectory, folder), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.length > 2).sort();
}

test("a publisher killed at any moment leaves the old or the new release whole, and the next one goes on", async () => {
  using fixture = new PublishFixture();
  changeTree(fixture.tree, 0);
  await fixture.publish();
  using tree = await fixture.open();
  changeTree(fixture.tree, 1);
  const { ms, phase } = await publishKilled(fixture, {});
  expect(phase).toBe("done");
  const random = seededRandom(7);
  const looks = Array.from({ length: 5 }, (_, i) => ({ atLook: i + 1 }));
  const moments = Array.from({ length: 13 }, (_, i) => ({ afterMs: (0.85 * ms * (i + random())) / 13 }));
  const phases: string[] = [];
  for (const [i, death] of [...looks, ...moments].entries()) {
    changeTree(fixture.tree, i + 2);
    phases.push((await publishKilled(fixture, death)).phase);
    await expectWhole(tree);
    // Every third time another kill follows before a publish is let through.
    if (i % 3 === 2) continue;
    expect((await fixture.publish()).warnings).toEqual([]);
    await expectWhole(tree);
    expect((await readManifest(tree)).length).toBe(fs.readdirSync(fixture.tree).length);
    const large = sha256(fs.readFileSync(join(fixture.tree, "large")));
    expect(tree.entry(path("large"))).toMatchObject({ content: large });
  }
  console.log(`killed in: ${phases.join(" ")}; undisturbed ${Math.round(ms)} ms`);
  expect(phases.filter((name) => name !== "done").length).toBeGreaterThanOrEqual(10);
  expect((await fixture.publish()).warnings).toEqual([]);
  expect((await fixture.publish()).release).toBeUndefined();
  const copies = storedFiles(fixture, "contents").map((name) => name.slice(3));
  for (const name of copies) expect(await readContent(tree, name as ReturnType<typeof sha256>)).toBeDefined();
  expect(storedFiles(fixture, "objects").filter((name) => name.endsWith(".tmp"))).toEqual([]);
}, 300_000);

import { mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { run, type RunningProgram } from "../support/program.ts";
import { hasRsync, rsyncDifferences } from "../support/rsync-referee.ts";
import { makeFirstRelease, makeSecondRelease, randomBytesOf, sha256Of } from "../support/sample-tree.ts";

/** TREE belongs to somebody else: rsync feeds it, or replaces it as a whole, and only then somebody publishes. */
describe.skipIf(!hasRsync())("a tree that is fed from upstream", () => {
  let central: LoopbackCentral;
  let serve: RunningProgram;
  let upstream: string;

  beforeAll(async () => {
    central = new LoopbackCentral("fed");
    upstream = join(central.directory, "upstream");
    mkdirSync(upstream);
    makeFirstRelease(upstream);
    await feed(central.tree);
    expect(await central.publish()).toBe(1);
    serve = await central.serve();
    await central.sync("early");
  });

  afterAll(async () => central[Symbol.asyncDispose]());

  test("between rsync --delete and the next publish the old release is still complete", async () => {
    const published = await snapshot("release-1");
    const goneBytes = readFileSync(join(upstream, "pool/main/goes away.deb"));
    makeSecondRelease(upstream);
    await feed(central.tree);
    await central.sync("late");
    expect(await rsyncDifferences(published, central.mirror("late"), true)).toBe("");
    expect(await customerBytes("pool/main/goes%20away.deb")).toEqual(goneBytes);
  });

  test("after the publish mirrors move on, and the bytes of the old release can still be had", async () => {
    const gone = readFileSync(join(central.directory, "release-1/pool/main/goes away.deb"));
    expect(await central.publish()).toBe(2);
    await expectMirrorsExact(2);
    expect(await customerBytes(`.prsync/contents/${sha256Of(gone)}`)).toEqual(gone);
  });

  test("a tree replaced by rename loses nothing before the publish and after", async () => {
    const published = await snapshot("release-2");
    writeFileSync(join(upstream, "pool/third.iso"), randomBytesOf(9, 2_000_000));
    rmSync(join(upstream, "pool/new.iso"));
    const [next, old] = [join(central.directory, "tree.next"), join(central.directory, "tree.old")];
    await feed(next);
    renameSync(central.tree, old);
    renameSync(next, central.tree);
    rmSync(old, { recursive: true });
    await central.sync("latest");
    expect(await rsyncDifferences(published, central.mirror("latest"), true)).toBe("");
    expect(await central.publish()).toBe(3);
    await central.sync("latest");
    expect(await rsyncDifferences(central.tree, central.mirror("latest"), true)).toBe("");
    await expectMirrorsExact(3);
  });

  test("nothing is left behind: what is retained is what three releases need, and no file is open that is deleted", async () => {
    expect(await rsyncDifferences(upstream, central.tree, true)).toBe("");
    const needed = await Promise.all(["release-1", "release-2", "tree"].map((name) => contentsOf(name)));
    expect(retainedContents()).toEqual([...new Set(needed.flat())].sort());
    expect(readdirSync(join(central.mirror("early"), ".prsync/staging"))).toEqual([]);
    await expect.poll(() => deletedFiles(serve.child.pid!), { timeout: 15_000 }).toEqual([]);
  });

  async function feed(tree: string): Promise<void> {
    await run("rsync", ["-aH", "--delete", `${upstream}/`, `${tree}/`]);
  }

  /** A copy of TREE as it is published now. */
  async function snapshot(name: string): Promise<string> {
    const copy = join(central.directory, name);
    await run("rsync", ["-aH", `${central.tree}/`, `${copy}/`]);
    return copy;
  }

  async function expectMirrorsExact(release: number): Promise<void> {
    for (const name of ["early", "late"]) {
      expect((await central.sync(name)).release).toBe(release);
      expect(await rsyncDifferences(central.tree, central.mirror(name), true)).toBe("");
    }
  }

  async function customerBytes(path: string): Promise<Buffer> {
    const answer = await fetch(`${central.url}/${path}`);
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** SHA-256 of every file with bytes in it; `--zero` because names may hold anything. */
  async function contentsOf(name: string): Promise<string[]> {
    const words = [
      join(central.directory, name),
      "-type",
      "f",
      "-size",
      "+0",
      "-exec",
      "sha256sum",
      "--zero",
      "{}",
      "+",
    ];
    return (await run("find", words)).split("\0").flatMap((record) => (record === "" ? [] : [record.slice(0, 64)]));
  }

  function retainedContents(): string[] {
    const directory = `${central.tree}.prsync/contents`;
    const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
    return names.flatMap((name) => (name.length > 64 ? [name.slice(-64)] : [])).sort();
  }
});

/** Files without a name that a process keeps open, and so on disk. */
function deletedFiles(processId: number): string[] {
  const directory = `/proc/${processId}/fd`;
  return readdirSync(directory)
    .map((name) => linkTarget(join(directory, name)))
    .filter((target) => target.endsWith(" (deleted)"));
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

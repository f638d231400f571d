import { chmodSync, chownSync, lchownSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  all,
  hardLink,
  mode,
  plainTree,
  put,
  settleDirectories,
  symlink,
  type Change,
} from "../support/parity-trees.ts";
import { run, runPrsync, runPrsyncJson } from "../support/program.ts";
import { ParityBench, type ParityCase, type ParityOutcome } from "../support/rsync-parity.ts";
import { hasRsync } from "../support/rsync-referee.ts";

const NOBODY = 65_534;
const AS_NOBODY = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
/** What makes rsync's -rlptH the -aH of all who run it as root. */
const OWNERS = ["--owner", "--group", "--numeric-ids"];

function owned(path: string, uid: number, gid: number): Change {
  return (directory) => lchownSync(join(directory, path), uid, gid);
}

const files: Change = all(
  plainTree,
  put("theirs", "theirs\n"),
  put("set-id", "runs as its owner\n"),
  hardLink("theirs too", "theirs"),
  symlink("their link", "theirs"),
);

const ownedTree: Change = all(
  files,
  owned("theirs", 1001, 1002),
  owned("set-id", 1003, 1004),
  mode("set-id", 0o6755),
  owned("their link", 1005, 1006),
  owned("sub", 1007, 1008),
  owned("a.txt", NOBODY, 0),
);

/** DEST was filled without owners. */
const unowned: Change = all(files, settleDirectories);

const CASES: readonly ParityCase[] = [
  { name: "no directory yet", words: OWNERS, ours: ["--perms"] },
  { name: "all there, everything root's", before: unowned, words: OWNERS, ours: ["--perms"] },
  {
    name: "all there, another's",
    before: all(unowned, owned("theirs", 7, 7), owned("sub", 7, 7)),
    words: OWNERS,
    ours: ["--perms"],
  },
  { name: "users alone", before: unowned, words: ["-o", "--numeric-ids"], ours: ["--perms"] },
  { name: "groups alone", before: unowned, words: ["-g", "--numeric-ids"], ours: ["--perms"] },
  { name: "what would change", before: unowned, words: [...OWNERS, "--dry-run"], ours: ["--perms"] },
];

const needs = hasRsync() && process.geteuid!() === 0 ? "" : " (skipped: needs root and rsync)";

describe.skipIf(needs !== "")(`owners${needs}`, () => {
  const bench = new ParityBench("owners");
  const { central } = bench;

  beforeAll(async () => {
    ownedTree(central.tree);
    await runPrsyncJson(["publish", "--owners", central.tree], { env: central.env });
    await bench.release(ownedTree);
  });

  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
  });

  test.for(CASES)("$name: as rsync has it", async (parity) => {
    const mirror = parity.name.replaceAll(/\W+/g, "-");
    const { ours, theirs } = await bench.run(mirror, parity);
    expect(withoutFurtherName(ours)).toEqual(withoutFurtherName(theirs));
    expect(theirs.code).toBe(0);
    const isTried = parity.words!.includes("--dry-run");
    expect(await ownersDiffer(mirror)).toBe(false);
    if (!isTried) expect(await bench.differences(mirror)).toBe("");
  });

  test("without the options nothing is given away", async () => {
    await bench.sync("plain", []);
    expect(ownersAt(central.mirror("plain"))).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  test("another owner alone is a release of few bytes, and is followed", async () => {
    const [mirror, options] = [central.mirror("followed"), [...OWNERS, "--perms"]];
    await bench.sync("followed", options);
    chownSync(join(central.tree, "b.bin"), 1010, 1011);
    const { release, counts } = await runPrsyncJson<{ release: number; counts: { newBytes: number } }>(
      ["publish", central.tree],
      { env: central.env },
    );
    expect([typeof release, counts.newBytes]).toEqual(["number", 0]);
    const { stdout } = await bench.sync("followed", ["-i", ...options]);
    expect(stdout).toMatch(/^\.f\.{4}og\.{3} b\.bin$/m);
    expect(ownersAt(mirror)).toEqual([
      [1001, 1002],
      [1003, 1004],
      [1005, 1006],
      [1007, 1008],
    ]);
  });

  test("who is not root gets the rest, and is told", async () => {
    chmodSync(central.directory, 0o755);
    const [home, mirror] = [join(central.directory, "nobody"), join(central.directory, "nobody/mirror")];
    for (const path of [home, mirror]) {
      mkdirSync(path);
      chownSync(path, NOBODY, NOBODY);
    }
    const ticket = await central.invite("nobody");
    const words = ["sync", ticket, mirror, "--peer-port", "0", ...OWNERS];
    const { code, stderr } = await runPrsync(words, {
      env: { PRSYNC_STATE_HOME: join(home, "state") },
      enter: AS_NOBODY,
    });
    expect([code, stderr]).toEqual([
      0,
      "prsync: note: only root can give files to other users; --owner changes nothing\n",
    ]);
    expect(ownersAt(mirror).flat()).toEqual(Array(8).fill(NOBODY));
  });

  test("publish --no-owners takes them out again", async () => {
    await runPrsyncJson(["publish", "--no-owners", central.tree], { env: central.env });
    await bench.sync("unowned", [...OWNERS, "--perms"]);
    expect(ownersAt(central.mirror("unowned")).flat()).toEqual(Array(8).fill(0));
  });

  function ownersAt(directory: string): number[][] {
    return ["theirs too", "set-id", "their link", "sub"].map((path) => {
      const { uid, gid } = lstatSync(join(directory, path));
      return [uid, gid];
    });
  }

  async function ownersDiffer(name: string): Promise<boolean> {
    const listed = (path: string): Promise<string> =>
      run("find", [path, "-path", "*/.prsync", "-prune", "-o", "-printf", "%P %U %G %m\n"]);
    const [mine, other] = [central.mirror(name), central.mirror(`${name}-rsync`)];
    const sorted = async (path: string): Promise<string[]> => (await listed(path)).split("\n").toSorted();
    return JSON.stringify(await sorted(mine)) !== JSON.stringify(await sorted(other));
  }
});

/** Whether all names of an inode are listed whose owner changes, rsync(1) leaves open: a dry run lists them, a real one does not. */
function withoutFurtherName({ code, changes }: ParityOutcome): ParityOutcome {
  return { code, changes: changes.filter((line) => !/^\S+ theirs too/.test(line)) };
}

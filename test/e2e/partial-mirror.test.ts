import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { run, runPrsync } from "../support/program.ts";
import { hasRsync } from "../support/rsync-referee.ts";

/** Options of a partial mirror; rsync is run with the same words. */
const CASES: readonly (readonly [name: string, ...words: string[]])[] = [
  ["excluded-pattern", "--exclude=*.iso"],
  ["one-directory", "--include=/pool/", "--include=/pool/***", "--exclude=*"],
  ["directories-alone", "--filter=- */"],
  ["double-star", "--filter=+ /dists/**", "--filter=- **/b*"],
  ["order-counts", "--include=keep.iso", "--exclude=*.iso"],
  ["short-option", "-f", "- pool/a/", "-f", "+ *"],
  ["negated", "--filter=-! */", "--filter=+ *"],
  ["max-size", "--max-size=10K"],
  ["min-size", "--min-size=10K"],
  ["per-directory-rules", "--filter=: .rules"],
  ["hidden-rules", "--filter=:e .rules"],
];

describe.skipIf(!hasRsync())("a mirror that takes a part", () => {
  let central: LoopbackCentral;

  beforeAll(async () => {
    central = new LoopbackCentral("partial");
    makeTree(central.tree);
    await central.publish();
    await central.serve();
  });

  afterAll(async () => central[Symbol.asyncDispose]());

  test.each(CASES)("%s: is what rsync makes of it, first and after a change of options", async (name, ...words) => {
    await expectSameAsRsync(name, words);
    // Left over from another selection: --delete leaves alone what the rules protect.
    for (const side of [name, `${name}-rsync`]) {
      mkdirSync(join(central.mirror(side), "pool/a"), { recursive: true });
      const foreigners = ["foreign.iso", "foreign.txt", "pool/a/foreign"];
      for (const foreign of foreigners) writeFileSync(join(central.mirror(side), foreign), "foreign");
      // What no rule touches keeps its times: those of two sides made around a full second would differ.
      for (const path of [...foreigners, "pool/a", "pool"]) utimesSync(join(central.mirror(side), path), 1e9, 1e9);
    }
    await expectSameAsRsync(name, [...words, "--delete"]);
  });

  test("listed files come with the directories above them", async () => {
    const list = join(central.directory, "list");
    writeFileSync(list, "pool/a/small.txt\n/dists/stable/Release\n./pool/b/\n# comment\nnot there\n");
    await central.sync("listed", ["--files-from", list]);
    await run("rsync", [
      "-aH",
      "--ignore-missing-args",
      "--files-from",
      list,
      `${central.tree}/`,
      `${central.mirror("listed-rsync")}/`,
    ]);
    expect(await differences("listed")).toBe("");
  });

  test("the selection is remembered; a release outside it costs no content; other options replace it", async () => {
    await central.sync("remembers", ["--exclude=*.iso"]);
    expect(readdirSync(central.mirror("remembers"))).not.toContain("keep.iso");
    writeFileSync(join(central.tree, "new.iso"), "x".repeat(100_000));
    await central.publish();
    const summary = await central.sync("remembers");
    expect(readdirSync(central.mirror("remembers"))).not.toContain("new.iso");
    expect(summary.files.fetched).toBe(0);
    expect(summary.files.total).toBe(summary.files.kept);
    expect(summary.bytes.fromOrigin).toBe(0);
    const whole = await central.sync("remembers", ["--everything"]);
    expect(readdirSync(central.mirror("remembers"))).toContain("new.iso");
    expect(whole.files.total).toBeGreaterThan(summary.files.total);
    rmSync(join(central.tree, "new.iso"));
    await central.publish();
  });

  test("verify looks only at what the mirror takes", async () => {
    await central.sync("verified", ["--exclude=*.iso"]);
    const verified = await runPrsync(["verify", central.mirror("verified"), "--json"], { env: central.env });
    expect(verified.code).toBe(0);
  });

  test("a rule that can't be understood is named, and nothing is done", async () => {
    const bad = await runPrsync(["sync", await central.invite("bad"), central.mirror("bad"), "--filter=x y"], {
      env: central.env,
    });
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain('filter rule "x y"');
  });

  async function expectSameAsRsync(name: string, words: readonly string[]): Promise<void> {
    await central.sync(name, words);
    await run("rsync", [
      "-aH",
      "--exclude=/.prsync",
      ...words,
      `${central.tree}/`,
      `${central.mirror(`${name}-rsync`)}/`,
    ]);
    expect(await differences(name)).toBe("");
  }

  async function differences(name: string): Promise<string> {
    const [ours, theirs] = [central.mirror(name), central.mirror(`${name}-rsync`)];
    return await run("rsync", ["-anicH", "--delete", "--exclude=/.prsync", `${theirs}/`, `${ours}/`]);
  }
});

function makeTree(tree: string): void {
  const files: Record<string, string> = {
    "keep.iso": "k".repeat(20_000),
    "other.iso": "o".repeat(30_000),
    "top.txt": "top\n",
    "pool/a/small.txt": "small\n",
    "pool/a/big.bin": "b".repeat(50_000),
    "pool/a/deep/back.iso": "back\n",
    "pool/b/big.txt": "big\n",
    "pool/b/.rules": "- big.txt\n",
    "pool/b/c/big.txt": "big c\n",
    "dists/stable/Release": "release\n",
    "dists/.rules": "- /stable/Release\n+ *\n",
    "dists/stable/main/binary/Packages": "packages\n",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(tree, path, ".."), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  mkdirSync(join(tree, "empty"));
  // Times in the past: what a test writes between two releases must not look old.
  for (const path of Object.keys(files)) utimesSync(join(tree, path), 1_700_000_000, 1_700_000_000);
}

import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { run } from "../support/program.ts";
import { RsyncDaemon } from "../support/rsync-daemon.ts";
import { hasRsync, rsyncDifferences } from "../support/rsync-referee.ts";
import { makeFirstRelease, makeSecondRelease } from "../support/sample-tree.ts";

const PLAIN_MIRRORS = [
  { name: "plain", flags: "-a" },
  { name: "plain-with-links", flags: "-aH" },
] as const;

/** rsyncd exports the very TREE that is published; ordinary mirrors follow it beside a PRsync mirror. */
describe.skipIf(!hasRsync())("unmodified rsync beside PRsync", () => {
  let central: LoopbackCentral;
  let daemon: RsyncDaemon;

  beforeAll(async () => {
    central = new LoopbackCentral("beside");
    makeFirstRelease(central.tree);
    await central.publish();
    await central.serve();
    daemon = await RsyncDaemon.start(central.tree, central.directory);
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await central[Symbol.asyncDispose]();
  });

  test("both kinds of mirrors are exact after the first release", async () => {
    await followAll();
  });

  test("and after the second", async () => {
    makeSecondRelease(central.tree);
    expect(await central.publish()).toBe(2);
    await followAll();
  });

  test("rsync sees nothing of ours: neither in TREE nor what is retained of old releases", async () => {
    const listing = await run("rsync", ["-r", "--list-only", daemon.url]);
    expect(listing).not.toContain("prsync");
    const names = readdirSync(central.tree).sort();
    for (const { name } of PLAIN_MIRRORS) expect(readdirSync(central.mirror(name)).sort()).toEqual(names);
  });

  test("our links on the files of TREE do not become links of the mirror", () => {
    const plain = central.mirror("plain-with-links");
    expect(lstatSync(join(plain, "pool/large.iso")).nlink).toBe(1);
    expect(lstatSync(join(plain, "hard link")).ino).toBe(lstatSync(join(plain, "name with spaces")).ino);
  });

  test("with nothing new rsync transfers nothing, though a publish looked at every file", async () => {
    await central.publish();
    for (const { name, flags } of PLAIN_MIRRORS) {
      expect(await run("rsync", [flags, "-i", "--delete", daemon.url, `${central.mirror(name)}/`])).toBe("");
    }
  });

  async function followAll(): Promise<void> {
    for (const { name, flags } of PLAIN_MIRRORS) {
      await run("rsync", [flags, "--delete", daemon.url, `${central.mirror(name)}/`]);
      expect(await rsyncDifferences(central.tree, central.mirror(name), flags === "-aH")).toBe("");
    }
    await central.sync("ours");
    expect(await rsyncDifferences(central.tree, central.mirror("ours"), true)).toBe("");
  }
});

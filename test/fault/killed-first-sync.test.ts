import { spawn } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { encodeTicket } from "../../src/trust/ticket.ts";
import { CentralFixture } from "../support/central-fixture.ts";
import type { EndedWindows, KilledWindows } from "../support/killed-windows.ts";
import { collect, type RunResult } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { compareTransition, digestTree, type TreeDigest } from "../support/tree-digest.ts";

const PROGRAM = resolve(import.meta.dirname, "../support/killed-windows.ts");
const FILES = 180;
const WINDOW_PATHS = 50;
const LARGE_BYTES = 300_000;
/** Release, manifest and inventory come before the first window. */
const FIRST_STAGE = 5;
const INDEX_FILE = "dir-0/Packages";
const FOREIGN = "foreign/old";

test("a first sync killed in any of its windows leaves whole files, and ends exact", async () => {
  const central = await served();
  const bed = new Bed(central);
  const { stages } = await bed.through(bed.mirror("undisturbed"));
  const table: string[] = [];
  const again = bed.mirror("again");
  for (let at = FIRST_STAGE; at <= stages; at++) {
    // Each kill comes later than the one before, and what that left is gone on with.
    table.push(await bed.kill(again, { stages: at, afterMs: (at % 4) * 5 }));
    if (at % 4 !== 2) continue;
    const once = bed.mirror(`once-${at}`);
    table.push(await bed.kill(once, { stages: at, afterMs: 15 }));
    await bed.through(once);
  }
  await bed.through(again);
  console.log(table.join("\n"));
  expect(table.length).toBeGreaterThan(10);
}, 180_000);

async function served(): Promise<CentralFixture> {
  const central = new CentralFixture();
  for (let index = 0; index < FILES; index++) central.write(`dir-${index % 7}/${index}`, randomBytesOf(index, 700));
  central.write("dir-0/large", randomBytesOf(1_000, LARGE_BYTES));
  central.write("dir-6/copy", randomBytesOf(1_000, LARGE_BYTES));
  linkSync(join(central.treePath, "dir-1/1"), join(central.treePath, "dir-5/name of 1"));
  central.write(INDEX_FILE, "index");
  await central.publish();
  await central.serve();
  return central;
}

interface TestMirror {
  readonly name: string;
  readonly destination: string;
  /** What stands there before the first run. */
  readonly before: TreeDigest;
  readonly ticket: string;
}

/** Mirrors of one central, each with a file that no release brought. */
class Bed {
  readonly #central: CentralFixture;
  readonly #directory = realpathSync(mkdtempSync(join(tmpdir(), "prsync-windows-")));
  readonly #next: TreeDigest;

  constructor(central: CentralFixture) {
    this.#central = central;
    this.#next = digestTree(central.treePath);
    onTestFinished(() => rmSync(this.#directory, { recursive: true, force: true }));
  }

  mirror(name: string): TestMirror {
    const destination = join(this.#directory, name, "dest");
    mkdirSync(join(destination, FOREIGN, ".."), { recursive: true });
    writeFileSync(join(destination, FOREIGN), "nobody's");
    const { repositoryId: repository, rootFingerprint: root } = this.#central.repository;
    const url = this.#central.program.httpUrl;
    const ticket = encodeTicket({ url, repository, root, name, token: this.#central.invite(name) });
    return { name, destination, before: digestTree(destination), ticket };
  }

  /** Every path is as before or as in the release; index files and removals come after all else. @returns a line about it */
  async kill(mirror: TestMirror, killed: NonNullable<KilledWindows["killed"]>): Promise<string> {
    const { code } = await this.#run(mirror, killed);
    expect(code).toBe("SIGKILL");
    const found = digestTree(mirror.destination);
    const { wrong, switched, toSwitch } = compareTransition(found, mirror.before, this.#next);
    expect(wrong).toEqual([]);
    const late = [found.has(INDEX_FILE), !found.has(FOREIGN)].filter(Boolean).length;
    if (late > 0) expect(switched).toBe(toSwitch);
    return `${mirror.name} at stage ${killed.stages}, ${killed.afterMs} ms: ${switched} of ${toSwitch} paths new`;
  }

  /** A run that nobody kills: exact, and it fetches only what is not in place. */
  async through(mirror: TestMirror): Promise<EndedWindows> {
    const { switched, toSwitch } = compareTransition(digestTree(mirror.destination), mirror.before, this.#next);
    const { code, stdout, stderr } = await this.#run(mirror);
    expect([code, stderr]).toEqual([0, ""]);
    const ended = JSON.parse(stdout) as EndedWindows;
    expect(ended.failures).toBe(0);
    expect(ended.fetched).toBeLessThanOrEqual(toSwitch - switched);
    expect(await rsyncDifferences(this.#central.treePath, mirror.destination, true)).toBe("");
    expect(readdirSync(join(mirror.destination, ".prsync/staging"))).toEqual([]);
    return ended;
  }

  async #run({ name, destination, ticket }: TestMirror, killed?: KilledWindows["killed"]): Promise<RunResult> {
    const stateDirectory = join(this.#directory, name, "state");
    const words: KilledWindows = {
      destinationPath: destination,
      stateDirectory,
      ticket,
      windowPaths: WINDOW_PATHS,
      killed,
    };
    return await collect(
      spawn(process.execPath, [PROGRAM, JSON.stringify(words)], { stdio: ["ignore", "pipe", "pipe"] }),
    );
  }
}

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { compressZstd } from "../../src/codec/zstd.ts";
import { parseBundleList } from "../../src/manifest/bundle-list.ts";
import { parseIndex } from "../../src/manifest/manifest-index.ts";
import type { ObjectRef } from "../../src/manifest/object-ref.ts";
import { parseRelease, type Release } from "../../src/manifest/release.ts";
import { run, RunningProgram, runPrsync, runPrsyncJson, type RunResult } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { flipBit, TamperingProxy, type Tamper } from "../support/tampering-proxy.ts";

/** Changes the digit in the middle and nothing else: the form stays right, the bytes do not. */
const changeDigit: Tamper = (body) => {
  const changed = Buffer.from(body);
  const places = [...body.keys()].filter((at) => body[at]! >= 0x30 && body[at]! <= 0x39);
  const middle = places[places.length >> 1]!;
  changed[middle] = body[middle] === 0x39 ? 0x38 : body[middle]! + 1;
  return changed;
};

const changeDigitInside: Tamper = (frame) => compressZstd(changeDigit(Buffer.from(zstdDecompressSync(frame)))!);

const DETOURS: readonly (readonly [string, Tamper])[] = [
  ["damaged", flipBit(-1)],
  ["changed", changeDigitInside],
  ["missing", () => undefined],
];

const LOOPBACK = ["--listen", "127.0.0.1:0", "--peer-port", "0"];

/** Metadata of release 2 on its way to a mirror that holds release 1. */
describe("metadata that somebody changed on the way", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-tampered-"));
  const tree = join(directory, "tree");
  const kept = join(directory, "kept");
  const stateDirectory = join(directory, "central");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  let central: RunningProgram;
  let proxy: TamperingProxy;
  let release: Release;

  beforeAll(async () => {
    mkdirSync(join(tree, "dists"), { recursive: true });
    writeFileSync(join(tree, "grows"), randomBytesOf(1, 200_000));
    writeFileSync(join(tree, "goes"), "goes\n");
    writeFileSync(join(tree, "dists/Release"), "one\n");
    await publish();
    central = await RunningProgram.start(["serve", tree, ...LOOPBACK, "--state", stateDirectory]);
    proxy = await TamperingProxy.start(central.ready.http);
    for (const name of ["mirror", "bombed", ...DETOURS.map(([name]) => name)]) await firstSync(name);
    await run("cp", ["-a", tree, kept]);
    writeFileSync(join(tree, "grows"), randomBytesOf(1, 300_000));
    writeFileSync(join(tree, "new"), randomBytesOf(2, 100_000));
    rmSync(join(tree, "goes"));
    writeFileSync(join(tree, "dists/Release"), "two\n");
    await publish();
    release = newestRelease();
  }, 120_000);

  afterEach(() => proxy.clear());

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await central.stop();
    rmSync(directory, { recursive: true });
  });

  test.each([
    ["timestamp.json", /\/tuf\/timestamp\.json$/, /timestamp/],
    ["snapshot.json", /\/tuf\/\d+\.snapshot\.json$/, /snapshot/],
    ["targets.json", /\/tuf\/\d+\.targets\.json$/, /targets/],
    ["release.json", /\.release\.json$/, /release\.json: expected \d+ bytes with SHA-256/],
  ])("%s is refused by TUF, the old tree stays", async (_, path, message) => {
    proxy.replace(path, changeDigit);
    await expectRefused({ code: 5, message });
  });

  test.each([
    ["manifest index", () => release.index, /manifest index of release 2: object [0-9a-f]{64}: expected that SHA-256/],
    ["manifest chunk", () => objectsOf().chunk, /manifest chunk from "dists" on: object [0-9a-f]{64}: expected/],
    ["bundle list", () => release.bundles, /bundle list of release 2: object [0-9a-f]{64}: expected/],
    ["content table", () => objectsOf().table, /content table of bundle 3: object [0-9a-f]{64}: expected/],
  ])("a changed %s in a sound frame is refused by its hash, the old tree stays", async (_, find, message) => {
    // Without the list of changes index and chunks are read.
    proxy.replace(objectPath(release.changes[0]!), () => undefined);
    proxy.replace(objectPath(find()), changeDigitInside);
    await expectRefused({ code: 12, message });
  });

  test("a damaged frame is refused, the old tree stays", async () => {
    proxy.replace(objectPath(objectsOf().table), flipBit(-1));
    await expectRefused({ code: 12, message: /content table of bundle 3: (?:expected a zstd frame|object)/ });
  });

  test.each([
    ["longer than any frame of it", 200_000_000, { code: 10, message: /too-large/ }],
    ["in a frame of sensible length", 4_000_000, { code: 12, message: /manifest chunk from "dists" on: / }],
  ])("a bomb in place of a chunk is refused at the signed length, %s", async (_, lengthBytes, expected) => {
    proxy.replace(objectPath(release.changes[0]!), () => undefined);
    proxy.replace(objectPath(objectsOf().chunk), () => compressZstd(Buffer.alloc(lengthBytes)));
    // A mirror of its own: the other one has the chunks by now.
    await expectRefused(expected, "bombed");
  });

  test.each(DETOURS)("a list of changes that is %s costs a detour over the chunks", async (name, tamper) => {
    proxy.replace(objectPath(release.changes[0]!), tamper);
    const result = await sync(name);
    expect(result.stderr).toMatch(/change lists do not lead to the signed release.*change list 1 → 2/);
    expect(result.code).toBe(0);
    expect(await rsyncDifferences(tree, join(directory, name))).toBe("");
  });

  test("once nobody interferes the same mirror ends exact", async () => {
    expect((await sync("mirror")).code).toBe(0);
    expect(await rsyncDifferences(tree, join(directory, "mirror"))).toBe("");
  });

  async function publish(): Promise<void> {
    await runPrsyncJson(["publish", tree, "--state", stateDirectory]);
  }

  async function firstSync(name: string): Promise<void> {
    const invited = await runPrsync(["invite", tree, name, "--url", proxy.url, "--state", stateDirectory]);
    await runPrsyncJson(["sync", invited.stdout.trim(), join(directory, name), "--peer-port", "0"], { env });
  }

  async function sync(name: string): Promise<RunResult> {
    return await runPrsync(["sync", join(directory, name), "--delete", "--peer-port", "0", "--json"], { env });
  }

  async function expectRefused(
    expected: { readonly code: number; readonly message: RegExp },
    name = "mirror",
  ): Promise<void> {
    const result = await sync(name);
    expect(proxy.replaced).not.toEqual([]);
    expect(result.stderr).toMatch(expected.message);
    expect(result.code).toBe(expected.code);
    expect(await rsyncDifferences(kept, join(directory, name))).toBe("");
  }

  function newestRelease(): Release {
    const targets = join(stateDirectory, "tuf/targets");
    const releases = readdirSync(targets).map((name) => parseRelease(readFileSync(join(targets, name))));
    return releases.find(({ number }) => number === 2)!;
  }

  function readObject(ref: ObjectRef): Uint8Array {
    return zstdDecompressSync(readFileSync(join(`${tree}.prsync/objects`, ref.sha256.slice(0, 2), ref.sha256)));
  }

  function objectsOf(): { readonly chunk: ObjectRef; readonly table: ObjectRef } {
    const chunk = parseIndex(readObject(release.index))[0]!;
    return { chunk, table: parseBundleList(readObject(release.bundles)).at(-1)!.table };
  }
});

function objectPath(ref: ObjectRef): RegExp {
  return new RegExp(`/objects/${ref.sha256}$`);
}

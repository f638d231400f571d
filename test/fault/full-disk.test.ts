import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { LoopbackCentral, type Synced } from "../support/loopback-central.ts";
import { runPrsync, type RunResult } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { compareTransition, digestTree, type TreeDigest } from "../support/tree-digest.ts";
import { canPlayFaults, LoopDisk } from "./harness/loop-disk.ts";
import { Mount } from "./harness/mount.ts";

const MEGABYTE = 2 ** 20;
const FILES = 16;
/** Room for both releases, as long as nobody else takes it. */
const DISK_BYTES = 64 * MEGABYTE;
const TOO_LITTLE_BYTES = 6 * MEGABYTE;
const needs = canPlayFaults() ? "" : " (skipped: needs root, loop devices, rsync and strace)";

interface Disk extends AsyncDisposable {
  readonly path: string;
}

const DISKS: Readonly<Record<string, (image: string) => Disk>> = {
  ext4: (image) => LoopDisk.format(image, { bytes: DISK_BYTES }).mount(),
  tmpfs: (image) => {
    mkdirSync(image);
    const mount = new Mount(["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs"], image);
    return { path: image, [Symbol.asyncDispose]: () => mount[Symbol.asyncDispose]() };
  },
};

/** A mirror on a disk of its own; what identifies it lies elsewhere. */
class Scene {
  readonly #central: LoopbackCentral;
  readonly #disk: Disk;
  readonly #ticket: string;

  constructor(central: LoopbackCentral, disk: Disk, ticket: string) {
    this.#central = central;
    this.#disk = disk;
    this.#ticket = ticket;
  }

  get tree(): TreeDigest {
    return digestTree(this.#central.tree);
  }

  get mirror(): TreeDigest {
    return digestTree(this.#destination);
  }

  get #destination(): string {
    return join(this.#disk.path, "mirror");
  }

  get #others(): string {
    return join(this.#disk.path, "others");
  }

  async release(number: number): Promise<void> {
    for (let file = 0; file < FILES; file++)
      writeFileSync(join(this.#central.tree, `${file}`), randomBytesOf(number * 100 + file, MEGABYTE));
    await this.#central.publish();
  }

  /** All but little of the free space belongs to others. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.#disk.path);
    execFileSync("fallocate", ["-l", `${bavail * bsize - TOO_LITTLE_BYTES}`, this.#others]);
  }

  makeRoom(): void {
    rmSync(this.#others);
  }

  async sync(...options: readonly string[]): Promise<RunResult> {
    const words = ["sync", this.#ticket, this.#destination, "--delete", "--json", "--peer-port", "0"];
    return await runPrsync([...words, ...options], { env: this.#central.env });
  }

  /** A run that ends exact. @returns bytes that it fetched */
  async finish(): Promise<number> {
    const { code, stdout, stderr } = await this.sync();
    expect([code, stderr]).toEqual([0, ""]);
    expect(await rsyncDifferences(this.#central.tree, this.#destination, true)).toBe("");
    expect(readdirSync(join(this.#destination, ".prsync/staging"))).toEqual([]);
    return (JSON.parse(stdout) as Synced).bytes.fromOrigin;
  }
}

async function openScene(kind: string): Promise<Scene> {
  const central = new LoopbackCentral(`full-${kind}`);
  onTestFinished(async () => central[Symbol.asyncDispose]());
  const directory = mkdtempSync(join(tmpdir(), "prsync-full-disk-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const disk = DISKS[kind]!(join(directory, "disk"));
  onTestFinished(async () => disk[Symbol.asyncDispose]());
  writeFileSync(join(central.tree, "0"), "");
  await central.publish();
  await central.serve();
  const scene = new Scene(central, disk, await central.invite("mirror"));
  await scene.release(1);
  return scene;
}

const told = (message: RegExp): unknown => ({ code: 11, stderr: expect.stringMatching(message) as string });
const refused = told(/needs .* more .*nothing was changed\nprsync error: disk-full \(code 11\)/);
const full = told(/prsync error: disk-full \(code 11\)/);

describe.skipIf(needs !== "").each(Object.keys(DISKS))(`a disk that is too small, %s${needs}`, (kind) => {
  test("is left as it was, and takes the release once there is room", async () => {
    const scene = await openScene(kind);
    scene.fill();
    expect(await scene.sync()).toMatchObject(refused as object);
    expect(scene.mirror).toEqual(new Map());
    scene.makeRoom();
    await scene.finish();
    await scene.release(2);
    const old = scene.mirror;
    scene.fill();
    expect(await scene.sync()).toMatchObject(refused as object);
    expect(scene.mirror).toEqual(old);
    scene.makeRoom();
    await scene.finish();
  }, 120_000);

  // With --sparse nobody knows beforehand how much will be written: such a run fills the disk to its last block. Slow enough that
  // what it has is noted every few seconds.
  test("and is filled loses nothing: not what was verified, not an old file", async () => {
    const scene = await openScene(kind);
    scene.fill();
    expect(await scene.sync("--sparse", "--bwlimit", "2M")).toMatchObject(full as object);
    expect(compareTransition(scene.mirror, new Map(), scene.tree).wrong).toEqual([]);
    scene.makeRoom();
    const first = await scene.finish();
    const old = scene.mirror;
    await scene.release(2);
    scene.fill();
    expect(await scene.sync("--sparse", "--bwlimit", "2M")).toMatchObject(full as object);
    expect(compareTransition(scene.mirror, old, scene.tree).wrong).toEqual([]);
    scene.makeRoom();
    const second = await scene.finish();
    console.log(`${kind}: after the disk was full ${first} and ${second} of ${FILES * MEGABYTE} bytes were fetched`);
    expect(Math.max(first, second)).toBeLessThan(FILES * MEGABYTE);
  }, 120_000);
});

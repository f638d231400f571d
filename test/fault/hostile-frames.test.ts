import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BundleLayout } from "../../src/core/bundle-layout.ts";
import { extractInfo, parseInfoDictionary } from "../../src/manifest/torrent.ts";
import type { PieceGeometry } from "../../src/swarm/wire/frame-rules.ts";
import { HOSTILE_FRAMES } from "../support/hostile-frames.ts";
import { enrolTestVolunteer, HostilePeer, type PeerTarget, type TestIdentity } from "../support/hostile-peer.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";
import { prefix } from "../support/wire-frames.ts";

const MIB = 2 ** 20;
const FILE = "pool/large.iso";
const FILE_BYTES = 3 * MIB + 77;
/** Nothing is to stay of what a peer says; the rest is the garbage collector's delay. */
const MAX_GROWTH_BYTES: number = 64 * MIB;

const REFUSED = HOSTILE_FRAMES.filter(({ expected }) => expected !== "nothing");
const TOLERATED = HOSTILE_FRAMES.filter(({ expected }) => expected === "nothing");

const directory = mkdtempSync(join(tmpdir(), "prsync-hostile-"));
const tree = join(directory, "tree");
const env = { PRSYNC_STATE_HOME: join(directory, "state") };
const programs = new Map<string, RunningProgram>();
let url = "";
let infoHash = "";
let geometry: PieceGeometry;
let hostile: TestIdentity;
let honest: TestIdentity;

beforeAll(async () => {
  mkdirSync(join(tree, "pool"), { recursive: true });
  writeFileSync(join(tree, FILE), randomBytesOf(1, FILE_BYTES + 3).subarray(0, FILE_BYTES));
  writeFileSync(join(tree, "small"), "small\n");
  await runPrsyncJson(["publish", tree], { env });
  const place = ["--listen", "127.0.0.1:0", "--peer-port", "0", "--verbose"];
  const central = await RunningProgram.start(["serve", tree, ...place], { env });
  programs.set("serve", central);
  url = central.ready.http;
  const daemon = await RunningProgram.start(["daemon", await invite("mirror"), join(directory, "mirror"), ...place], {
    env,
  });
  programs.set("daemon", daemon);
  await daemon.waitFor(({ event }) => event === "synced");
  [hostile, honest] = [
    await enrolTestVolunteer(await invite("hostile")),
    await enrolTestVolunteer(await invite("honest")),
  ];
  const status = (await (await fetch(`${url}/.prsync/api/v1/status`)).json()) as { bundles: { infoHash: string }[] };
  infoHash = status.bundles[0]!.infoHash;
  const torrent = await (await fetch(`${url}/.prsync/torrents/${infoHash}.torrent`)).bytes();
  const { files, pieceLength } = parseInfoDictionary(extractInfo(torrent));
  geometry = new BundleLayout(files.map((file) => file.lengthBytes), pieceLength); // prettier-ignore
});

afterAll(async () => {
  for (const program of [...programs.values()].toReversed()) await program.stop();
  rmSync(directory, { recursive: true });
});

describe.each(["serve", "daemon"])("a running %s", { timeout: 15_000 }, (name) => {
  let program: RunningProgram;
  let target: PeerTarget;
  /** Connected all the time beside the hostile ones. */
  let neighbour: HostilePeer;
  let before: ProcessFigures;

  beforeAll(async () => {
    program = programs.get(name)!;
    const { hostname, port } = new URL(`tcp://${program.ready.peer}`);
    target = { host: hostname, port: Number(port), infoHash };
    neighbour = await HostilePeer.reach("admitted", target, honest);
    before = figuresOf(program);
  });

  test("the bundle's bitfield has spare bits", () => {
    expect(geometry.pieceCount % 8).not.toBe(0);
  });

  test.each(REFUSED.map((row) => [row.name, row] as const))("closes that connection alone: %s", async (_name, row) => {
    const start = performance.now();
    const told = program.log.length;
    using peer = await HostilePeer.reach(row.moment, target, hostile);
    peer.send(row.bytes(geometry));
    await peer.closed;
    // A handshake that is not done in 10 s is closed anyway.
    expect(performance.now() - start).toBeLessThan(5_000);
    await expect.poll(() => program.log.slice(told), { interval: 5 }).toContain(`${row.expected}: `);
    expect(await neighbour.fetchBlock(1, 1000)).toHaveLength(1000);
  });

  test.each(TOLERATED.map((row) => [row.name, row] as const))("goes on after: %s", async (_name, row) => {
    using peer = await HostilePeer.reach(row.moment, target, hostile);
    peer.send(row.bytes(geometry));
    expect(await peer.fetchBlock(0, 16_384)).toHaveLength(16_384);
  });

  test("takes nothing of 64 MiB behind a length of 2 GiB", async () => {
    using peer = await HostilePeer.reach("admitted", target, hostile);
    peer.send(prefix(2 ** 31 - 1, 7));
    for (let sent = 0; sent < 64; sent++) peer.send(Buffer.alloc(MIB));
    await peer.closed;
  });

  test("has the same process, memory and descriptors afterwards, and serves on", async () => {
    expect(sha256Of(await neighbour.fetchBlock(0, 16_384))).toBe(sha256Of(fileBytes(0, 16_384)));
    neighbour[Symbol.dispose]();
    expect([program.child.exitCode, program.child.signalCode]).toEqual([null, null]);
    await expect.poll(() => figuresOf(program).descriptors).toBeLessThanOrEqual(before.descriptors);
    const { residentBytes } = figuresOf(program);
    console.log(`${name}: ${HOSTILE_FRAMES.length} attacks, ${mib(before.residentBytes)} → ${mib(residentBytes)} MiB`);
    expect(residentBytes - before.residentBytes).toBeLessThan(MAX_GROWTH_BYTES);
    const answer = await fetch(`${program.ready.http}/${FILE}`);
    expect([answer.status, sha256Of(await answer.bytes())]).toEqual([200, sha256Of(fileBytes())]);
  });

  test("a new mirror gets everything afterwards", async () => {
    const mirror = join(directory, `after-${name}`);
    const words = ["sync", await invite(`after-${name}`), mirror, "--peer-port", "0"];
    expect(await runPrsync(words, { env })).toMatchObject({ code: 0 });
    expect(sha256Of(readFileSync(join(mirror, FILE)))).toBe(sha256Of(fileBytes()));
  });
});

async function invite(name: string): Promise<string> {
  return (await runPrsync(["invite", tree, name, "--url", url], { env })).stdout.trim();
}

function fileBytes(start = 0, end = FILE_BYTES): Uint8Array {
  return readFileSync(join(tree, FILE)).subarray(start, end);
}

interface ProcessFigures {
  readonly residentBytes: number;
  readonly descriptors: number;
}

function figuresOf({ child }: RunningProgram): ProcessFigures {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return {
    residentBytes: Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]) * 1024,
    descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
  };
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}

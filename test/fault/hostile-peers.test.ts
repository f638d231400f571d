import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parseTicket } from "../../src/trust/ticket.ts";
import { enrolTestVolunteer, HostilePeer, type PeerTarget, type TestIdentity } from "../support/hostile-peer.ts";
import { HostileSeeder, SEEDER_CONDUCTS } from "../support/hostile-seeder.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";
import { frame, handshakeBytes, repeat } from "../support/wire-frames.ts";

const MIB = 2 ** 20;
const FILE = "large.iso";
const FILE_BYTES = 3 * MIB + 80;
const BLOCK = 16_384;
const MAX_GROWTH_BYTES: number = 96 * MIB;
/** None of this is worth more; 20,000 requests take the most, as they are many blocks to read and send. */
const MAX_CPU_SECONDS = 6;
/** All places for connections, and some that are just being closed. */
const MAX_DESCRIPTORS = 300;
/** USER_HZ, the same on every Linux. */
const TICKS_PER_SECOND = 100;

const directory = mkdtempSync(join(tmpdir(), "prsync-hostile-peers-"));
const tree = join(directory, "tree");
const env = { PRSYNC_STATE_HOME: join(directory, "state") };
let central: RunningProgram;
let daemon: RunningProgram;
let repository = "";
let infoHash = "";
const identities: TestIdentity[] = [];
let mirrors = 0;

beforeAll(async () => {
  mkdirSync(tree);
  writeFileSync(join(tree, FILE), randomBytesOf(1, FILE_BYTES));
  await runPrsyncJson(["publish", tree], { env });
  const place = ["--listen", "127.0.0.1:0", "--peer-port", "0", "--verbose"];
  central = await RunningProgram.start(["serve", tree, ...place], { env });
  daemon = await RunningProgram.start(["daemon", await invite("daemon"), join(directory, "daemon"), ...place], { env });
  await daemon.waitFor(({ event }) => event === "synced");
  for (const name of ["hostile", "honest"]) {
    const ticket = await invite(name);
    repository = parseTicket(ticket).repository;
    identities.push(await enrolTestVolunteer(ticket));
  }
  const status = (await (await fetch(`${central.ready.http}/.prsync/api/v1/status`)).json()) as {
    bundles: { infoHash: string }[];
  };
  infoHash = status.bundles[0]!.infoHash;
});

afterAll(async () => {
  for (const program of [daemon, central]) expect(await program.stop()).toBe(0);
  rmSync(directory, { recursive: true });
});

describe("a mirror ends exact beside a volunteer that", { timeout: 60_000 }, () => {
  test.each(SEEDER_CONDUCTS.map((conduct) => [conduct.row, conduct.name, conduct] as const))(
    "%s %s",
    async (_row, name, conduct) => {
      const [identity] = identities as [TestIdentity];
      using seeder = await HostileSeeder.open({ identity, infoHash, conduct });
      await seeder.announce({ url: central.ready.http, repository }, identity);
      await vi.waitUntil(() => seeder.calls > 0, { timeout: 10_000 }); // central looked at the port
      const mirror = `${name} ${++mirrors}`; // a second try under the same name would be refused
      const destination = join(directory, mirror);
      const words = ["sync", await invite(mirror), destination, "--peer-port", "0", "--verbose"];
      const startMs = performance.now();
      const { code, stderr } = await runPrsync(words, { env });
      console.log(`${name}: ${Math.round(performance.now() - startMs)} ms, ${seeder.calls - 1} calls`);
      expect(code, stderr).toBe(0);
      expect(seeder.calls).toBeGreaterThan(1);
      expect(seeder.admissions > 0).toBe(conduct.act !== undefined);
      expect(stderr).toContain(conduct.told ?? "");
      expect(sha256Of(readFileSync(join(destination, FILE)))).toBe(sha256Of(readFileSync(join(tree, FILE))));
    },
  );
});

/** What a peer does that asks a program for bytes; resolves when the harm is done. */
const LEECHER_CONDUCTS: readonly (readonly [string, string, (target: PeerTarget) => Promise<void>])[] = [
  [
    "P12",
    "asks for the same block 20,000 times",
    async (target) => {
      using peer = await admitted(target);
      peer.send(repeat(frame(6, 0, 0, BLOCK), 20_000));
      await Promise.race([peer.closed, sleep(3_000)]);
    },
  ],
  [
    "P14",
    "asks for everything again and again and never reads",
    async (target) => {
      using peer = await admitted(target);
      peer.stopReading();
      const all = Array.from({ length: 48 * 4 }, (_, index) => frame(6, index >> 2, (index & 3) * BLOCK, BLOCK));
      for (let round = 0; round < 100; round++) peer.send(Buffer.concat(all));
      await sleep(2_000);
    },
  ],
  [
    "P13",
    "asks and cancels, 4,000 times",
    async (target) => {
      using peer = await admitted(target);
      for (let count = 0; count < 4_000; count++) {
        peer.send(Buffer.concat([frame(6, count % 48, 0, BLOCK), frame(8, count % 48, 0, BLOCK)]));
      }
      await sleep(1_000);
    },
  ],
  [
    "P09",
    "sends its handshake byte by byte, or half of it",
    async (target) => {
      const bytes = handshakeBytes({ infoHash, peerId: "a".repeat(40), isFast: true, isExtended: true });
      const startMs = performance.now();
      const slow = open(target);
      const half = open(target);
      half.write(bytes.subarray(0, 40));
      const timer = setInterval(() => slow.write(bytes.subarray(0, 1)), 1_000);
      await Promise.all([once(slow, "close"), once(half, "close")]);
      clearInterval(timer);
      expect(performance.now() - startMs).toBeLessThan(20_000);
    },
  ],
  [
    "P22",
    "connects twenty times under one identity",
    async (target) => {
      // Each replaces the one before, which may be closed before it is told what is held.
      const calls = await Promise.allSettled(Array.from({ length: 20 }, () => admitted(target)));
      const open = new Set(calls.flatMap((call) => (call.status === "fulfilled" ? [call.value] : [])));
      for (const peer of open) void peer.closed.then(() => open.delete(peer));
      await sleep(500);
      expect(open.size).toBe(1);
      for (const peer of open) peer[Symbol.dispose]();
    },
  ],
  [
    "P22",
    "claims to be the program itself",
    async (target) => {
      const hello = { infoHash, isFast: true, isExtended: true };
      const asking = open(target);
      asking.write(handshakeBytes({ ...hello, peerId: "a".repeat(40) }));
      const [answer] = (await once(asking, "data")) as [Buffer];
      asking.destroy();
      const twin = open(target);
      twin.write(handshakeBytes({ ...hello, peerId: answer.toString("hex", 48, 68) }));
      await once(twin, "close");
    },
  ],
  [
    "N21",
    "opens 10,000 connections from one address",
    async (target) => {
      const sockets: Socket[] = [];
      let refused = 0;
      const newcomer = sleep(500).then(() => admitted({ ...target, localAddress: "127.0.0.2" }));
      for (let round = 0; round < 20; round++) {
        for (let count = 0; count < 500; count++) sockets.push(open(target).once("close", () => refused++));
        await sleep(50);
      }
      // On a machine under load the kernel drops some calls, which then try again ever later.
      await vi.waitUntil(() => refused > 9_000, { timeout: 40_000 });
      using peer = await newcomer;
      expect(await peer.fetchBlock(0, 1_000)).toHaveLength(1_000);
      for (const socket of sockets) socket.destroy();
    },
  ],
  [
    "N22",
    "connects and leaves 1,000 times a second",
    async (target) => {
      for (let round = 0; round < 20; round++) {
        for (let count = 0; count < 100; count++)
          open(target).once("connect", function (this: Socket) {
            this.destroy();
          });
        await sleep(100);
      }
    },
  ],
];

describe.each(["serve", "daemon"])(
  "a running %s serves on, within its memory, while a peer",
  { timeout: 60_000 },
  (which) => {
    let program: RunningProgram;
    let target: PeerTarget;
    let neighbour: HostilePeer;

    beforeAll(async () => {
      program = which === "serve" ? central : daemon;
      const { hostname, port } = new URL(`tcp://${program.ready.peer}`);
      target = { host: hostname, port: Number(port), infoHash };
      neighbour = await HostilePeer.reach("admitted", target, identities[1]!);
    });

    test.each(LEECHER_CONDUCTS)("%s %s", async (_row, name, act) => {
      const before = figuresOf(program);
      const startMs = performance.now();
      let mostDescriptors = 0;
      const looking = setInterval(() => {
        mostDescriptors = Math.max(mostDescriptors, figuresOf(program).descriptors);
      }, 100);
      const asking = act(target).finally(() => clearInterval(looking));
      for (let round = 0; round < 5; round++) {
        const [piece, length] = [round, 1_000 + round];
        const expected = readFileSync(join(tree, FILE)).subarray(piece * 65_536, piece * 65_536 + length);
        expect((await neighbour.fetchBlock(piece, length)).equals(expected)).toBe(true);
      }
      const during = figuresOf(program);
      await asking;
      await expect.poll(() => figuresOf(program).descriptors, { timeout: 15_000 }).toBeLessThan(before.descriptors + 5);
      const after = figuresOf(program);
      const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
      const [from, most] = [before.residentBytes, Math.max(during.residentBytes, after.residentBytes)];
      const took = `${cpuSeconds.toFixed(1)} s of CPU in ${((performance.now() - startMs) / 1000).toFixed(1)} s`;
      console.log(`${which}: ${name}: ${Math.round(from / MIB)} → ${Math.round(most / MIB)} MiB, ${took}`);
      expect(cpuSeconds).toBeLessThan(MAX_CPU_SECONDS);
      expect(mostDescriptors - before.descriptors).toBeLessThan(MAX_DESCRIPTORS);
      expect(most - from).toBeLessThan(MAX_GROWTH_BYTES);
    });

    afterAll(() => neighbour[Symbol.dispose]());
  },
);

function admitted(target: PeerTarget): Promise<HostilePeer> {
  return HostilePeer.reach("admitted", target, identities[0]!);
}

function open({ host, port }: PeerTarget): Socket {
  return connect(port, host)
    .on("error", () => undefined)
    .on("data", () => undefined);
}

async function invite(name: string): Promise<string> {
  const url = central.ready.http;
  return (await runPrsync(["invite", tree, name.replaceAll(/[^a-z0-9]/g, "-"), "--url", url], { env })).stdout.trim();
}

interface ProcessFigures {
  readonly residentBytes: number;
  readonly descriptors: number;
  /** User and system. */
  readonly cpuSeconds: number;
}

function figuresOf({ child }: RunningProgram): ProcessFigures {
  const [user, system] = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]!.split(" ").slice(11, 13);
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return {
    residentBytes: Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]) * 1024,
    descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
    cpuSeconds: (Number(user) + Number(system)) / TICKS_PER_SECOND,
  };
}

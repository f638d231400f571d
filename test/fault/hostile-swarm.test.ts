import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { parseTicket } from "../../src/trust/ticket.ts";
import { enrolTestVolunteer, HostilePeer, type PeerTarget, type TestIdentity } from "../support/hostile-peer.ts";
import { HostileSeeder, SEEDER_CONDUCTS } from "../support/hostile-seeder.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { extendedFrame, frame } from "../support/wire-frames.ts";

const MIB = 2 ** 20;
const FILE = "large.iso";
const SMALL = "small";
const FILE_BYTES = 6 * MIB;
const PIECE = 65_536;
const PIECES = FILE_BYTES / PIECE;
const BLOCK = 16_384;
const HOSTILE_COUNT = 9;
/** Both together need 13 s for a copy: a mirror is fetching for as long as a test of it takes. */
const CENTRAL_UP = ["--bwlimit", "50:0"];
/** Central asks at the URL that a volunteer gives for its customers, which may be anybody's, now and then: `audits.test.ts` is about that. */
const NO_AUDITS = ["--audit-interval", "0s"];
const GIVER_UP = ["--bwlimit", "400:0"];
const HAVE_ALL = frame(14);
const UNCHOKE = frame(1);
const SILENT = SEEDER_CONDUCTS.find(({ act }) => act === undefined)!;
/** Of a piece message: prefix 4, id 1, piece 4, offset 4, then the block. */
const CUTS: readonly number[] = [0, 1, 3, 4, 5, 9, 12, 13, 14, BLOCK - 1, BLOCK + 12];

/** Volunteers with passes that behave badly together, or one after the other under the same name. */
describe("hostile volunteers", { timeout: 90_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-hostile-swarm-"));
  const tree = join(directory, "tree");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  const place = ["--listen", "127.0.0.1:0", "--peer-port", "0", "--verbose"];
  const file = randomBytesOf(1, FILE_BYTES);
  /** Of the bundle: the small file has the piece behind the last of the large one. */
  const contents = Buffer.concat([file, Buffer.from("small\n")]);
  let central: RunningProgram;
  /** Has everything, and a narrow line up. */
  let giver: RunningProgram;
  let repository = "";
  let infoHash = "";
  let honest: TestIdentity;
  let hostile: TestIdentity[] = [];

  beforeAll(async () => {
    mkdirSync(tree);
    writeFileSync(join(tree, FILE), file);
    writeFileSync(join(tree, SMALL), "small\n");
    await runPrsyncJson(["publish", tree], { env });
    central = await RunningProgram.start(["serve", tree, ...place, ...CENTRAL_UP, ...NO_AUDITS], { env });
    cpSync(tree, join(directory, "giver"), { recursive: true, preserveTimestamps: true });
    giver = await startDaemon("giver", GIVER_UP);
    repository = parseTicket(await invite("honest")).repository;
    honest = await enrolTestVolunteer(await invite("honest-too"));
    const names = Array.from({ length: HOSTILE_COUNT }, (_, index) => `hostile-${index}`);
    hostile = await Promise.all(names.map(async (name) => enrolTestVolunteer(await invite(name))));
    const status = await fetch(`${central.ready.http}/.prsync/api/v1/status`);
    infoHash = ((await status.json()) as { bundles: { infoHash: string }[] }).bundles[0]!.infoHash;
    await giver.waitFor(({ event }) => event === "synced");
  });

  let mirrors = 0;

  afterAll(async () => {
    for (const program of [giver, central]) expect(await program.stop()).toBe(0);
    rmSync(directory, { recursive: true });
  });

  test("P16 nine in ten of them poison: the mirror ends exact, and each liar is believed three times at most", async () => {
    const liars = hostile.slice(0, 9);
    const conducts = SEEDER_CONDUCTS.filter(({ row }) => row === "P01" || row === "P02");
    const seeders: HostileSeeder[] = [];
    for (const [index, identity] of liars.entries()) {
      const seeder = await HostileSeeder.open({ identity, infoHash, conduct: conducts[index % conducts.length]! });
      seeders.push(seeder);
      await seeder.announce({ url: central.ready.http, repository }, identity);
    }
    await vi.waitUntil(() => seeders.every(({ calls }) => calls > 0), { timeout: 10_000 });
    const destination = join(directory, "poisoned");
    const words = ["sync", await invite("poisoned"), destination, "--peer-port", "0", "--verbose"];
    const { code, stderr } = await runPrsync(words, { env });
    for (const seeder of seeders) seeder[Symbol.dispose]();
    expect(code, stderr).toBe(0);
    expectExact(destination);
    const believed = new Map<string, number>();
    for (const [, peer, isBanned] of stderr.matchAll(/peer sent wrong bytes .*peer=(\S+) isBanned=(\w+)/g)) {
      // What was under way when a ban began is told of, too.
      if (isBanned === "false" || !believed.has(`${peer} banned`)) believed.set(peer!, (believed.get(peer!) ?? 0) + 1);
      if (isBanned === "true") believed.set(`${peer} banned`, 1);
    }
    console.log(`P16: ${seeders.filter(({ admissions }) => admissions > 0).length} of 9 liars were asked`);
    expect(seeders.filter(({ admissions }) => admissions > 0).length).toBeGreaterThan(5);
    expect(Math.max(...believed.values())).toBeLessThanOrEqual(3);
  });

  test("P04 a liar that comes back with other claims finds its record, and is banned", async () => {
    const { daemon, target, destination } = await fetchingDaemon("visited", [hostile[0]!, honest]);
    for (let visit = 1; visit <= 3; visit++) {
      using peer = await HostilePeer.reach("admitted", target, hostile[0]!);
      peer.send(Buffer.concat([frame(5, fieldWithout(visit)), UNCHOKE]));
      await spoilOnePiece(peer);
      await vi.waitUntil(() => countOf(daemon.log, "peer sent wrong bytes") === visit, { timeout: 10_000 });
    }
    await expect(HostilePeer.reach("admitted", target, hostile[0]!)).rejects.toThrow("closed the connection");
    expect(daemon.log).toContain("isBanned=true");
    using other = await HostilePeer.reach("admitted", target, honest);
    await giveRightly(other, daemon);
    expectExact(destination);
  });

  test("N07 connections that are cut at any byte of a block: whole blocks before it are not asked for again", async () => {
    const { daemon, target, destination } = await fetchingDaemon("cut-off", [hostile[1]!, honest]);
    const delivered = new Set<string>();
    const repeated: string[] = [];
    for (const cut of CUTS) {
      using peer = await HostilePeer.reach("admitted", target, hostile[1]!);
      peer.send(Buffer.concat([HAVE_ALL, UNCHOKE]));
      const first = await peer.nextRequest();
      const block = `${first.piece}+${first.offset}`;
      if (delivered.has(block)) repeated.push(block);
      delivered.add(block);
      const second = await peer.nextRequest();
      peer.send(Buffer.concat([blockFor(first), blockFor(second).subarray(0, cut)]));
      await peer.hangUp(); // a reset would throw away what the daemon has not read yet
    }
    using last = await HostilePeer.reach("admitted", target, honest);
    await giveRightly(last, daemon, (request) => {
      if (delivered.has(`${request.piece}+${request.offset}`)) repeated.push(`${request.piece}+${request.offset}`);
    });
    expect(delivered.size).toBe(CUTS.length);
    expect(repeated).toEqual([]);
    expectExact(destination);
  });

  test("P15 nine that take all they can leave the tenth its share, and customers are answered", async () => {
    const target = targetOf(giver);
    const greedy = await Promise.all(hostile.map((identity) => HostilePeer.reach("admitted", target, identity)));
    for (const peer of greedy) peer.send(frame(2));
    const taking = greedy.map((peer) => peer.take(PIECES, 250, 8_000));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    using fair = await HostilePeer.reach("admitted", target, honest);
    fair.send(frame(2));
    const own = fair.take(PIECES, 32, 6_000);
    const answer = await fetch(`${giver.ready.http}/${FILE}`, { headers: { Range: "bytes=0-999" } });
    expect([answer.status, Buffer.from(await answer.bytes()).equals(file.subarray(0, 1_000))]).toEqual([206, true]);
    const [ownBytes, ...others] = await Promise.all([own, ...taking]);
    for (const peer of greedy) peer[Symbol.dispose]();
    const share = ownBytes / 6 / (others.reduce((sum, bytes) => sum + bytes) / 8 / greedy.length);
    console.log(`P15: ${Math.round(100 * share)} % of what each of ${greedy.length} greedy ones gets`);
    expect(share).toBeGreaterThan(0.5);
  });

  test("P23 whatever bits, versions and extensions a hello names, it is admitted as a volunteer or not at all", async () => {
    const bits = fc.uint8Array({ minLength: 8, maxLength: 8 });
    const fields = fc.record({
      version: fc.stringMatching(/^[a-z0-9./]{0,20}$/),
      id: fc.integer({ min: 4, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(bits, fields, async (reserved, { version, id }) => {
        const extensions = `6:prsynci1e11:ut_metadatai2e5:x_newi${id}e`;
        const nonce = `5:nonce32:${"n".repeat(32)}7:versioni99e`;
        const extended = `d1:md${extensions}e6:prsyncd${nonce}e1:v${version.length}:${version}e`;
        const reaching = HostilePeer.reach("admitted", targetOf(central), hostile[2]!, { reserved, extended });
        if ((reserved[5]! & 0x10) === 0) return void (await expect(reaching).rejects.toThrow("closed the connection"));
        using peer = await reaching;
        expect(Buffer.from(await peer.fetchBlock(3, 100)).equals(file.subarray(3 * PIECE, 3 * PIECE + 100))).toBe(true);
      }),
      { numRuns: 30, seed: 4 },
    );
    expect(countOf(central.log, "a peer's connection met a bug")).toBe(0);
  });

  test("P24 nobody is called who did not announce itself, whatever an announce or a peer says of third parties", async () => {
    const victim = createServer().listen(0, "127.0.0.5");
    await once(victim, "listening");
    onTestFinished(() => void victim.close());
    let callsToVictim = 0;
    victim.on("connection", () => callsToVictim++);
    const { port } = victim.address() as AddressInfo;
    const conduct = SEEDER_CONDUCTS.find(({ row }) => row === "P03")!;
    using seeder = await HostileSeeder.open({ identity: hostile[3]!, infoHash, conduct });
    const third = {
      host: "127.0.0.5",
      ip: "127.0.0.5",
      address: `127.0.0.5:${port}`,
      peers: [{ host: "127.0.0.5", port }],
    };
    for (let count = 0; count < 10; count++) {
      const lies = {
        moreQuery: `&ip=127.0.0.5&ipv4=127.0.0.5:${port}`,
        moreFields: { ...third, url: `http://127.0.0.5:${port}` },
      };
      await seeder.announce({ url: central.ready.http, repository }, hostile[3]!, lies);
    }
    await vi.waitUntil(() => seeder.calls > 0, { timeout: 10_000 });
    expect(seeder.calls).toBe(1);
    for (const program of [central, giver]) {
      using peer = await HostilePeer.reach("admitted", targetOf(program), hostile[4]!);
      const compact = Buffer.concat([Buffer.of(127, 0, 0, 5), Buffer.of(port >> 8, port & 255)]).toString("latin1");
      for (const id of [1, 2, 3, 4]) peer.send(extendedFrame(id, `d5:added6:${compact}7:added.f1:\x00e`));
      await peer.closed; // those of ours are not what they say
    }
    const name = `misled-${++mirrors}`;
    const destination = join(directory, name);
    const words = ["sync", await invite(name), destination, "--peer-port", "0", `--include=/${SMALL}`, "--exclude=*"];
    expect(await runPrsync(words, { env })).toMatchObject({ code: 0 });
    expect(seeder.calls).toBeGreaterThan(1);
    expect(readFileSync(join(destination, SMALL), "utf8")).toBe("small\n");
    expect(callsToVictim).toBe(0);
  });

  async function startDaemon(name: string, words: readonly string[]): Promise<RunningProgram> {
    return await RunningProgram.start(["daemon", await invite(name), join(directory, name), ...place, ...words], {
      env,
    });
  }

  /** A new mirror that has begun, is far from its end, and knows these as volunteers of its own site. */
  async function fetchingDaemon(
    purpose: string,
    neighbours: readonly TestIdentity[],
  ): Promise<{ readonly daemon: RunningProgram; readonly target: PeerTarget; readonly destination: string }> {
    for (const identity of neighbours) {
      const seeder = await HostileSeeder.open({ identity, infoHash, conduct: SILENT });
      onTestFinished(() => seeder[Symbol.dispose]());
      await seeder.announce({ url: central.ready.http, repository }, identity);
      await vi.waitUntil(() => seeder.calls > 0, { timeout: 10_000 }); // central looked at the port
    }
    const name = `${purpose}-${++mirrors}`;
    const daemon = await startDaemon(name, []);
    onTestFinished(async () => void (await daemon.stop()));
    await vi.waitUntil(() => daemon.log.includes("stage=download"), { timeout: 30_000 });
    return { daemon, target: targetOf(daemon), destination: join(directory, name) };
  }

  /** Answers as an honest peer would until the mirror has everything. */
  async function giveRightly(
    peer: HostilePeer,
    daemon: RunningProgram,
    onRequest: (request: Awaited<ReturnType<HostilePeer["nextRequest"]>>) => void = () => undefined,
  ): Promise<void> {
    peer.send(Buffer.concat([HAVE_ALL, UNCHOKE]));
    const giving = (async () => {
      for (;;) {
        const request = await peer.nextRequest();
        onRequest(request);
        peer.send(blockFor(request));
      }
    })();
    await Promise.race([giving.catch(() => undefined), daemon.waitFor(({ event }) => event === "synced")]);
    await daemon.waitFor(({ event }) => event === "synced");
  }

  function blockFor({ piece, offset, length }: Awaited<ReturnType<HostilePeer["nextRequest"]>>): Buffer {
    const start = piece * PIECE + offset;
    return frame(7, piece, offset, contents.subarray(start, start + length));
  }

  function targetOf(program: RunningProgram): PeerTarget {
    const { hostname, port } = new URL(`tcp://${program.ready.peer}`);
    return { host: hostname, port: Number(port), infoHash };
  }

  function expectExact(destination: string): void {
    expect(readFileSync(join(destination, FILE)).equals(file)).toBe(true);
  }

  async function invite(name: string): Promise<string> {
    return (await runPrsync(["invite", tree, name, "--url", central.ready.http], { env })).stdout.trim();
  }
});

/** Answers nothing until all of some piece is asked for, and then that, with noise. */
async function spoilOnePiece(peer: HostilePeer): Promise<void> {
  const asked = new Map<number, Buffer[]>();
  let noise: Buffer[] = [];
  while (noise.length < PIECE / BLOCK) {
    const { piece, offset, length } = await peer.nextRequest();
    noise = [...(asked.get(piece) ?? []), frame(7, piece, offset, randomBytesOf(offset, length))];
    asked.set(piece, noise);
  }
  peer.send(Buffer.concat(noise));
}

/** A bitfield of the large file's pieces but some, other ones at each visit; the small file has the one after them. */
function fieldWithout(visit: number): Buffer {
  const field = Buffer.alloc(PIECES / 8 + 1, 0xff);
  field[visit] = 0;
  field[PIECES / 8] = 0;
  return field;
}

function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}

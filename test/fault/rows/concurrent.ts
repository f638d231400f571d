import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request, type ClientRequest } from "node:http";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { LoopbackCentral } from "../../support/loopback-central.ts";
import { RunningProgram, runPrsync } from "../../support/program.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { compareTransition, digestTree } from "../../support/tree-digest.ts";
import type { FaultBed, MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultRow, Played } from "../harness/fault-row.ts";
import { makeNextTree, makeOldTree } from "../harness/fault-tree.ts";
import { HeldRun } from "../harness/held-run.ts";
import { publishAndSync } from "./kill-central.ts";

const ALREADY_RUNNING = 35;

function daemonWords(mirror: MirrorDisk): readonly string[] {
  const words = ["daemon", mirror.destination, "--state", mirror.state, "--peer-port", "0"];
  return [...words, "--listen", "127.0.0.1:0", "--interval", "1h"];
}

async function twoDaemons(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  await using first = await RunningProgram.start(daemonWords(mirror));
  const { code, stderr } = await runPrsync(daemonWords(mirror));
  const isTold = code === ALREADY_RUNNING && stderr.includes(String(first.child.pid));
  await first.stop();
  return {
    fired: Number(code !== 0),
    problems: [...(isTold ? [] : [`the second ended with ${code}: ${stderr}`]), ...(await mirror.finish())],
  };
}

async function staleLock(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  const first = await RunningProgram.start(daemonWords(mirror));
  const signal = await first.stop("SIGKILL");
  await using second = await RunningProgram.start(daemonWords(mirror));
  await second.stop();
  return { fired: Number(signal === "SIGKILL"), problems: await mirror.finish() };
}

async function syncBesideDaemon(bed: FaultBed, lane: number): Promise<Played> {
  await using mirror = bed.mirror(lane);
  await using daemon = await RunningProgram.start(daemonWords(mirror));
  const asked = await runPrsync(["sync", mirror.destination, "--state", mirror.state, "--json"]);
  const wasItsOwn = daemon.events.some((event) => event["event"] === "synced");
  await daemon.stop();
  return {
    fired: 1,
    problems: [
      ...(asked.code === 0 ? [] : [`sync ended with ${asked.code}: ${asked.stderr}`]),
      ...(wasItsOwn ? [] : ["the daemon knows of no sync"]),
      ...mirror.findDamage(),
      ...(await mirror.finish()),
    ],
  };
}

/** The second comes while the first stands still. */
async function publishTwice(): Promise<Played> {
  await using central = new LoopbackCentral("fault-twice");
  makeOldTree(central.tree);
  await central.publish();
  await central.serve();
  makeNextTree(central.tree);
  const words = ["publish", central.tree, "--json"];
  using held = await HeldRun.start(words, { call: "fsync", when: 3 }, { env: central.env });
  const second = await runPrsync(words, { env: central.env });
  const first = await held.letOn();
  return {
    fired: held.isHeld ? 1 : 0,
    problems: [
      ...(second.code === ALREADY_RUNNING ? [] : [`the second ended with ${second.code}: ${second.stderr}`]),
      ...(first.code === 0 ? [] : [`the first ended with ${first.code}: ${first.stderr}`]),
      ...(await publishAndSync(central)),
    ],
  };
}

const RESTLESS_BYTES = 24 * 2 ** 20;

/** What happens to the files `restless` and `comes and goes` until the writer is told to end. */
const WRITERS = {
  "rewritten in place": `
    const file = fs.openSync(path, "r+");
    for (let turn = 0; ; turn++) { fs.writeSync(file, Buffer.alloc(${RESTLESS_BYTES}, turn % 2 ? "a" : "b"), 0, ${RESTLESS_BYTES}, 0); told(turn); }`,
  "vanishes and appears": `
    for (let turn = 0; ; turn++) { fs.rmSync(path, { force: true }); fs.writeFileSync(path, Buffer.alloc(${RESTLESS_BYTES / 8}, "a")); told(turn); }`,
  "shrinks and grows": `
    for (let turn = 0; ; turn++) { fs.truncateSync(path, turn % 2 ? 0 : ${RESTLESS_BYTES}); told(turn); }`,
  "is replaced by a directory and back": `
    for (let turn = 0; ; turn++) { fs.rmSync(path, { force: true, recursive: true }); turn % 2 ? fs.writeFileSync(path, "file") : fs.mkdirSync(path); told(turn); }`,
} as const;

/** No torn content is released: what a mirror gets is what the release says, and once it is quiet all is exact. */
async function changingTree(what: keyof typeof WRITERS): Promise<Played> {
  await using central = new LoopbackCentral("fault-restless");
  makeOldTree(central.tree);
  const path = join(central.tree, "restless");
  writeFileSync(path, Buffer.alloc(RESTLESS_BYTES, "b"));
  const told = "const told = (turn) => (turns[0] = turn);";
  const turns = new Int32Array(new SharedArrayBuffer(4));
  const code = `const fs = require("node:fs"); const { path, turns } = require("node:worker_threads").workerData; ${told}${WRITERS[what]}`;
  const writer = new Worker(code, { eval: true, workerData: { path, turns } });
  await new Promise((resolve) => writer.once("online", resolve));
  const { code: ended, stderr } = await runPrsync(["publish", central.tree, "--json"], { env: central.env });
  const fired = turns[0]!;
  await writer.terminate();
  await central.serve();
  const torn = await tornFiles(central);
  return {
    fired,
    problems: [
      ...([0, 24].includes(Number(ended)) ? [] : [`publish ended with ${ended}: ${stderr}`]),
      ...torn,
      ...(await publishAndSync(central)),
    ],
  };
}

/** A mirror may lack the restless file, for central may not have its bytes any more; what it has is of one letter. */
async function tornFiles(central: LoopbackCentral): Promise<string[]> {
  const failed = await central.sync("mirror").then(
    () => undefined,
    (error: unknown) => String(error),
  );
  if (failed !== undefined && !failed.includes("restless")) return [failed];
  const stats = statSync(join(central.mirror("mirror"), "restless"), { throwIfNoEntry: false });
  if (stats?.isFile() !== true || stats.size === 0) return [];
  const bytes = readFileSync(join(central.mirror("mirror"), "restless"));
  const isWhole = ["a", "b", "\0"].some((letter) => bytes.equals(Buffer.alloc(bytes.length, letter)));
  return isWhole || bytes.toString("latin1") === "file" ? [] : ["a torn file was released"];
}

/** Release 3 comes out while a mirror stands in the sync of release 2. */
async function releaseDuringSync(): Promise<Played> {
  await using central = new LoopbackCentral("fault-overtaken");
  makeOldTree(central.tree);
  await central.publish();
  await central.serve();
  await central.sync("mirror");
  makeNextTree(central.tree);
  const second = digestTree(central.tree);
  await central.publish();
  const words = ["sync", central.mirror("mirror"), "--peer-port", "0", "--delete", "--json"];
  using held = await HeldRun.start(words, { call: "rename", when: 12 }, { env: central.env });
  const late = join(central.tree, "pool/new.iso");
  rmSync(late);
  writeFileSync(late, randomBytesOf(9, 400_000));
  const third = digestTree(central.tree);
  await central.publish();
  const { code, stderr } = await held.letOn();
  const { wrong } = compareTransition(digestTree(central.mirror("mirror")), second, third);
  return {
    fired: held.isHeld ? 1 : 0,
    problems: [...(code === 0 ? [] : [`ended with ${code}: ${stderr}`]), ...wrong, ...(await publishAndSync(central))],
  };
}

/** So slow that the download lasts for minutes: release 2 is there long before its end, on any machine. */
const SLOW_LIMIT = "10K:10M";
/** For bytes that come after release 2 is in place, if any do. */
const READ_ON_MS = 2_000;

/** A customer reads slowly while release 2, in which the file has other bytes, takes its place. */
async function longDownload(): Promise<Played> {
  await using central = new LoopbackCentral("fault-download");
  makeOldTree(central.tree);
  await central.publish();
  await central.serve();
  await central.sync("mirror");
  const exact = readFileSync(join(central.tree, "pool/large.iso"));
  const { env } = central;
  const place = ["--peer-port", "0", "--listen", "127.0.0.1:0", "--interval", "1h", "--bwlimit", SLOW_LIMIT];
  await using daemon = await RunningProgram.start(["daemon", central.mirror("mirror"), ...place], { env });
  await using download = new SlowDownload(`${daemon.ready.http}/pool/large.iso`);
  await download.begun;
  makeNextTree(central.tree);
  await central.publish();
  const wasBefore = !download.isOver;
  const synced = await runPrsync(["sync", central.mirror("mirror")], { env });
  await setTimeout(READ_ON_MS);
  const body = download.received();
  await daemon.stop();
  const isReplaced = !readFileSync(join(central.mirror("mirror"), "pool/large.iso")).equals(exact);
  const isExact = body.length > 0 && body.equals(exact.subarray(0, body.length));
  return {
    fired: Number(wasBefore && isReplaced),
    problems: [
      ...(synced.code === 0 ? [] : [`sync ended with ${synced.code}: ${synced.stderr}`]),
      ...(isExact ? [] : ["a customer got bytes of two releases"]),
      ...(await publishAndSync(central)),
    ],
  };
}

/** What a customer has of a file, whether it still comes or was cut off. */
class SlowDownload implements AsyncDisposable {
  /** Resolves with the first bytes; rejects where none come. */
  readonly begun: Promise<void>;
  readonly #request: ClientRequest;
  readonly #closed: Promise<unknown>;
  readonly #parts: Buffer[] = [];
  isOver = false;

  constructor(url: string) {
    this.#request = request(url);
    this.#closed = new Promise((resolve) => this.#request.once("close", resolve));
    this.begun = new Promise((resolve, reject) => {
      this.#request.on("error", reject).on("close", () => (this.isOver = true));
      this.#request.on("response", (response) => {
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
        response.on("data", (part: Buffer) => resolve(void this.#parts.push(part)));
        // Cut off: the customer knows by the length that was told.
        response.on("error", () => undefined);
      });
    });
    this.#request.end();
  }

  received(): Buffer {
    return Buffer.concat(this.#parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#request.destroy();
    await this.#closed;
  }
}

export const CONCURRENT_ROWS: readonly FaultRow[] = [
  {
    id: "C04",
    fault: "two daemons on one DEST",
    plays: [{ name: "the second is refused", kind: "concurrent", play: twoDaemons }],
  },
  {
    id: "C05",
    fault: "stale lock after kill -9",
    plays: [{ name: "taken over at once", kind: "concurrent", play: staleLock }],
  },
  {
    id: "C06",
    fault: "a command by hand while a daemon runs",
    plays: [{ name: "sync goes through the daemon", kind: "concurrent", play: syncBesideDaemon }],
  },
  {
    id: "C07",
    fault: "publish starts twice",
    plays: [{ name: "the second is refused", kind: "concurrent", play: publishTwice }],
  },
  {
    id: "C08",
    fault: "a file changes while it is hashed",
    plays: [{ name: "rewritten in place", kind: "concurrent", play: () => changingTree("rewritten in place") }],
  },
  {
    id: "C09",
    fault: "a file vanishes, appears, shrinks, grows during publish",
    plays: (["vanishes and appears", "shrinks and grows", "is replaced by a directory and back"] as const).map(
      (what) => ({
        name: what,
        kind: "concurrent",
        play: () => changingTree(what),
      }),
    ),
  },
  {
    id: "C10",
    fault: "a new release arrives while the previous one is synced",
    plays: [{ name: "release 3 during the activation of 2", kind: "concurrent", play: releaseDuringSync }],
  },
  {
    id: "C11",
    fault: "a release is withdrawn while it is served",
    notHere: "there is no withdrawal: the number only grows, and what must go is left out of the next release",
  },
  {
    id: "C12",
    fault: "a long download across a release",
    plays: [{ name: "1.5 MB at 10 kB/s while the file is replaced", kind: "concurrent", play: longDownload }],
  },
];

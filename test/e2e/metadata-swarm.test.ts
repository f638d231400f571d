import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blockLengthFor } from "../../src/delta/block-length.ts";
import { signatureByteLength } from "../../src/delta/signature.ts";
import { canMakeNetworks, TestNetwork, type TestHost } from "../support/network.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { changeInMiddle, randomBytesOf } from "../support/sample-tree.ts";

const MIRRORS = Number(process.env["PRSYNC_TEST_MIRRORS"] ?? 3);
const FILES = 30;
const FILE_BYTES: number = 2 * 2 ** 20;
/** Smaller than √size, so that there is more to carry. */
const DELTA_SIZE = 704;
/** Block signatures of all files: what every mirror needs of a release that changes each of them. */
const SIGNATURE_BYTES: number = FILES * signatureByteLength(FILE_BYTES, blockLengthFor(FILE_BYTES, DELTA_SIZE));

interface Synced extends Record<string, unknown> {
  readonly bytes: { readonly fromOrigin: number; readonly fromPeers: number; readonly metadata: number };
}

/** Central and its mirrors, each on a host of its own; bytes are read from the interface of central's host. */
describe.skipIf(!canMakeNetworks())("a release with many signatures", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-metadata-"));
  const tree = join(directory, "tree");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  const programs: RunningProgram[] = [];
  let network: TestNetwork;
  let centralHost: TestHost;

  beforeAll(async () => {
    network = new TestNetwork();
    centralHost = network.addHost("central");
    mkdirSync(tree);
    for (let file = 0; file < FILES; file++) writeFileSync(nameOf(file), randomBytesOf(file + 1, FILE_BYTES));
    await publish();
    const listen = ["--listen", `${centralHost.address}:7380`, "--peer-port", "7382", "--announce-interval", "10s"];
    programs.push(await RunningProgram.start(["serve", tree, ...listen], { enter: centralHost.enter, env }));
    for (let mirror = 0; mirror < MIRRORS; mirror++) await startMirror(mirror);
    await allSyncedTo(1);
  }, 180_000);

  afterAll(async () => {
    for (const program of programs) await program.stop();
    network[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  test("leaves central less than 1.6 times for three mirrors", async () => {
    const { sentBytes, synced } = await measureRelease(() => {
      for (let file = 0; file < FILES; file++) changeInMiddle(nameOf(file), 500 + file);
    });
    const copies = sentBytes / SIGNATURE_BYTES;
    console.log(`central sent ${sentBytes} bytes to ${MIRRORS} mirrors: ${copies.toFixed(2)} × ${SIGNATURE_BYTES}`);
    for (const { bytes } of synced) console.log(JSON.stringify(bytes));
    expect(copies).toBeLessThan(1.6);
    for (const { bytes } of synced) expect(bytes.metadata).toBeLessThan(1.6 * SIGNATURE_BYTES);
    await expectExact();
  });

  test("is given by the mirrors to one that was away, and below 256 KiB central gives it at once", async () => {
    const { synced } = await measureRelease(() => changeInMiddle(nameOf(0), 900));
    const [first] = synced;
    console.log(`one changed file: ${JSON.stringify(first!.bytes)}`);
    expect(first!.bytes.metadata).toBeLessThan(60_000);
    await expectExact();
  });

  function nameOf(file: number): string {
    return join(tree, `image-${file}.iso`);
  }

  async function startMirror(mirror: number): Promise<void> {
    const host = network.addHost(`m${mirror}`);
    const url = `http://${centralHost.address}:7380`;
    const ticket = (await runPrsync(["invite", tree, `m${mirror}`, "--url", url], { env })).stdout.trim();
    const words = ["daemon", ticket, destinationOf(mirror), "--listen", `${host.address}:7381`, "--peer-port", "7382"];
    programs.push(await RunningProgram.start(words, { enter: host.enter, env }));
  }

  function destinationOf(mirror: number): string {
    return join(directory, `mirror-${mirror}`);
  }

  async function publish(): Promise<number> {
    const words = ["publish", tree, "--delta-size", String(DELTA_SIZE)];
    return (await runPrsyncJson<{ release: number }>(words, { env })).release;
  }

  async function measureRelease(
    change: () => void,
  ): Promise<{ readonly sentBytes: number; readonly synced: readonly Synced[] }> {
    change();
    const before = centralHost.counters().sentBytes;
    const synced = await allSyncedTo(await publish());
    return { sentBytes: centralHost.counters().sentBytes - before, synced };
  }

  async function allSyncedTo(release: number): Promise<Synced[]> {
    const isDone = (event: Record<string, unknown>): boolean =>
      event["event"] === "synced" && event["release"] === release;
    return (await Promise.all(programs.slice(1).map((program) => program.waitFor(isDone)))) as Synced[];
  }

  async function expectExact(): Promise<void> {
    for (let mirror = 0; mirror < MIRRORS; mirror++) {
      expect(await rsyncDifferences(tree, destinationOf(mirror), true)).toBe("");
    }
  }
});

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { makeInteropTree } from "../support/interop-tree.ts";
import { canMakeNetworks, TestNetwork, type TestHost } from "../support/network.ts";
import { run, RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { hashesBelow, STOCK_CLIENTS, StockClient } from "../support/stock-client.ts";

/** Where `serve` and `daemon` are if nobody says otherwise. */
const CENTRAL_PORT = 7380;
const PEER_PORT = 7382;
/** Transmission asks a tracker and calls peers when it likes: mostly 15 s, a minute on a busy machine. */
const PATIENCE_MS = 150_000;

const needsNetwork = canMakeNetworks() ? "" : " (skipped: needs root and iproute2)";

interface Listed {
  readonly live?: { readonly portState: string };
}

interface Synced {
  readonly bytes: { readonly total: number; readonly fromPeers: number; readonly fromOrigin: number };
}

/**
 * Stock clients and volunteers on hosts of their own, where the operator lets both in. Who is to take from whom is made sure
 * of by hosts that can't reach anybody else.
 */
describe.skipIf(needsNetwork !== "")(`an open swarm${needsNetwork}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-open-"));
  const tree = join(directory, "tree");
  const torrent = join(directory, "bundle.torrent");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  const programs: RunningProgram[] = [];
  let network: TestNetwork;
  let centralHost: TestHost;
  let volunteerHost: TestHost;
  let url = "";
  let treeHashes: string[] = [];
  let treeBytes = 0;
  let attempts = 0;

  beforeAll(async () => {
    network = new TestNetwork();
    centralHost = network.addHost("central");
    volunteerHost = network.addHost("volunteer");
    url = `http://${centralHost.address}:${CENTRAL_PORT}`;
    makeInteropTree(tree);
    treeHashes = hashesBelow(tree);
    await runPrsyncJson(["publish", tree], { env });
    programs.push(await RunningProgram.start(["serve", tree, "--open"], { enter: centralHost.enter, env }));
    const words = ["daemon", await invite("volunteer"), join(directory, "volunteer"), "--verbose"];
    const volunteer = await RunningProgram.start(words, { enter: volunteerHost.enter, env });
    programs.push(volunteer);
    const synced = (await volunteer.waitFor(({ event }) => event === "synced")) as unknown as Synced;
    treeBytes = synced.bytes.total;
    const script = join(import.meta.dirname, "save-torrent.ts");
    await run(process.execPath, [script, url, torrent], { enter: centralHost.enter });
    const isReachable = async (): Promise<boolean> =>
      (await runPrsyncJson<Listed[]>(["volunteers", tree], { env }))[0]!.live?.portState === "reachable";
    await vi.waitUntil(isReachable, { timeout: 30_000, interval: 300 });
  });

  afterAll(async () => {
    for (const program of programs.toReversed()) expect(await program.stop()).toBe(0);
    network[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  describe.each(STOCK_CLIENTS.map((kind) => [kind.name, kind] as const))("%s", (name, kind) => {
    const needs = kind.missing === undefined ? "" : ` (skipped: needs ${kind.missing})`;

    test.skipIf(needs !== "")(
      `takes the exact bytes from a volunteer and gives them to another${needs}`,
      async () => {
        // A test that is tried again must not find its own traces.
        const attempt = `${name}${++attempts}`;
        const clientHost = network.addHost(`c-${attempt}`);
        clientHost.forbid({ address: centralHost.address, port: PEER_PORT });
        const taken = join(directory, attempt);
        mkdirSync(taken);
        const givenBefore = volunteerHost.counters().sentBytes;
        await using client = new StockClient(kind, clientHost, { torrent, directory: taken });
        await client.waitForHashes(treeHashes, PATIENCE_MS);
        expect(volunteerHost.counters().sentBytes - givenBefore).toBeGreaterThan(treeBytes);

        const takerHost = network.addHost(`v-${attempt}`);
        for (const host of [centralHost, volunteerHost]) takerHost.forbid({ address: host.address, port: PEER_PORT });
        const destination = join(directory, `taker-${attempt}`);
        const clientSentBefore = clientHost.counters().sentBytes;
        const words = ["sync", await invite(`taker-${attempt}`), destination];
        const { bytes } = await runPrsyncJson<Synced>(words, { enter: takerHost.enter, env });
        expect(bytes.fromPeers).toBeGreaterThan(treeBytes);
        expect(bytes.fromOrigin).toBeLessThan(treeBytes / 20);
        expect(clientHost.counters().sentBytes - clientSentBefore).toBeGreaterThan(treeBytes);
        expect(await rsyncDifferences(tree, destination, true)).toBe("");
      },
      240_000,
    );
  });

  async function invite(name: string): Promise<string> {
    return (await runPrsync(["invite", tree, name, "--url", url], { env })).stdout.trim();
  }
});

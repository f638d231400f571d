import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeInteropTree } from "../support/interop-tree.ts";
import { canMakeNetworks, TestNetwork, type TestHost } from "../support/network.ts";
import { run, RunningProgram, runPrsync } from "../support/program.ts";
import { DEBIAN_PYTHON, hashesBelow, STOCK_CLIENTS } from "../support/stock-client.ts";

const INTEROP = import.meta.dirname;
/** Where `serve` and `daemon` are if nobody says otherwise. */
const CENTRAL_PORT = 7380;
const PEER_PORT = 7382;

const needsNetwork = canMakeNetworks() ? "" : " (skipped: needs root and iproute2)";
const [needsLibtorrent, needsAria2] = [needs("libtorrent"), needs("aria2")] as const;

/** What the client scripts print. */
interface Fetched {
  readonly isComplete: boolean;
  readonly payloadBytes: number;
  readonly events: readonly string[];
}

describe.skipIf(needsNetwork !== "")(`stock BitTorrent clients${needsNetwork}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-stock-"));
  const tree = join(directory, "tree");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  let network: TestNetwork;
  let centralHost: TestHost;
  let clientHost: TestHost;
  let url = "";

  beforeAll(async () => {
    network = new TestNetwork();
    centralHost = network.addHost("central");
    clientHost = network.addHost("client");
    url = `http://${centralHost.address}:${CENTRAL_PORT}`;
    makeInteropTree(tree);
    expect(await runPrsync(["publish", tree], { env })).toMatchObject({ code: 0 });
  });

  afterAll(() => {
    network[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  describe("where the operator lets them in", () => {
    let central: RunningProgram;
    beforeAll(async () => {
      central = await serve("--open");
    });
    afterAll(async () => {
      expect(await central.stop()).toBe(0);
    });

    test.skipIf(needsLibtorrent !== "")(`libtorrent gets the exact bytes${needsLibtorrent}`, async () => {
      const destination = makeDirectory("libtorrent");
      const fetched = await fetchWithLibtorrent(await saveTorrent(), destination, { seconds: 40 });
      expect(fetched, fetched.events.join("\n")).toMatchObject({ isComplete: true, failedBytes: 0 });
      expect(hashesBelow(destination)).toEqual(hashesBelow(tree));
    });

    test.skipIf(needsAria2 !== "")(`aria2 gets the exact bytes${needsAria2}`, async () => {
      const destination = makeDirectory("aria2");
      const alone = ["--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"];
      const words = [...alone, "--no-conf", "--seed-time=0", "--bt-stop-timeout=40", `--dir=${destination}`];
      await run("aria2c", [...words, await saveTorrent()], { enter: clientHost.enter });
      expect(hashesBelow(destination)).toEqual(hashesBelow(tree));
    });

    test("webtorrent gets the exact bytes", async () => {
      const destination = makeDirectory("webtorrent");
      const words = [join(INTEROP, "webtorrent-fetch.ts"), await saveTorrent(), destination, "40"];
      const fetched = JSON.parse(await run(process.execPath, words, { enter: clientHost.enter })) as Fetched;
      expect(fetched, fetched.events.join("\n")).toMatchObject({ isComplete: true });
      expect(hashesBelow(destination)).toEqual(hashesBelow(tree));
    });
  });

  describe.skipIf(needsLibtorrent !== "")(`where the operator does not${needsLibtorrent}`, () => {
    let central: RunningProgram;
    beforeAll(async () => {
      central = await serve();
    });
    afterAll(async () => {
      expect(await central.stop()).toBe(0);
    });

    test("the tracker refuses them, and so does the origin if they know its address", async () => {
      const peer = `${centralHost.address}:${PEER_PORT}`;
      const fetched = await fetchWithLibtorrent(await saveTorrent(), makeDirectory("unwanted"), { seconds: 6, peer });
      expect(fetched).toMatchObject({ isComplete: false, payloadBytes: 0 });
      expect(fetched.events.join("\n")).toContain("this tracker is for enrolled volunteers only");
      expect(central.log).toContain("peer not admitted");
    });

    test("a volunteer refuses them even if it holds everything", async () => {
      const host = network.addHost("volunteer");
      const ticket = (await runPrsync(["invite", tree, "volunteer", "--url", url], { env })).stdout.trim();
      const words = ["daemon", ticket, join(directory, "volunteer"), "--verbose"];
      await using volunteer = await RunningProgram.start(words, { enter: host.enter, env });
      await volunteer.waitFor(({ event }) => event === "synced");
      const peer = `${host.address}:${PEER_PORT}`;
      const fetched = await fetchWithLibtorrent(await saveTorrent(), makeDirectory("knows-volunteer"), {
        seconds: 6,
        peer,
      });
      expect(fetched).toMatchObject({ isComplete: false, payloadBytes: 0 });
      expect(volunteer.log).toContain("peer not admitted");
      expect(await volunteer.stop()).toBe(0);
    });
  });

  function serve(...words: readonly string[]): Promise<RunningProgram> {
    return RunningProgram.start(["serve", tree, "--verbose", ...words], { enter: centralHost.enter, env });
  }

  /** As an operator finds it: the status names the bundles, and each has a .torrent. */
  async function saveTorrent(): Promise<string> {
    const path = join(directory, "bundle.torrent");
    await run(process.execPath, [join(INTEROP, "save-torrent.ts"), url, path], { enter: clientHost.enter });
    return path;
  }

  async function fetchWithLibtorrent(
    torrent: string,
    destination: string,
    { seconds, peer }: { readonly seconds: number; readonly peer?: string },
  ): Promise<Fetched> {
    const words = [join(INTEROP, "libtorrent-fetch.py"), torrent, destination, String(seconds)];
    const peers = peer === undefined ? [] : [peer];
    return JSON.parse(await run(DEBIAN_PYTHON, [...words, ...peers], { enter: clientHost.enter })) as Fetched;
  }

  function makeDirectory(name: string): string {
    const path = join(directory, name);
    mkdirSync(path);
    return path;
  }
});

function needs(name: string): string {
  const missing = STOCK_CLIENTS.find((kind) => kind.name === name)?.missing;
  return missing === undefined ? "" : ` (skipped: needs ${missing})`;
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canMakeNetworks, TestNetwork, type TestHost } from "../support/network.ts";
import { RunningProgram, runPrsync, runPrsyncJson, start } from "../support/program.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

/** In KiB/s, as rsync counts. */
const LIMIT = 400;
const LIMIT_BYTES = LIMIT * 1024;
const FILE_BYTES = 8 * 2 ** 20;
/** Bytes of a transfer that must have passed before its rate is looked at: the burst at the beginning. */
const WARM_UP_BYTES = 400_000;
const WINDOW_MS = 4_000;

const needsNetwork = canMakeNetworks() ? "" : " (skipped: needs root and iproute2)";

/** Rates are those of interfaces, headers of Ethernet, IP and TCP included. */
describe.skipIf(needsNetwork !== "")(`--bwlimit${needsNetwork}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-bwlimit-"));
  const tree = join(directory, "tree");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  let network: TestNetwork;
  /** A second try of a test needs other names. */
  let hosts = 0;

  beforeAll(async () => {
    network = new TestNetwork();
    mkdirSync(tree);
    writeFileSync(join(tree, "large.iso"), randomBytesOf(1, FILE_BYTES));
    await runPrsyncJson(["publish", tree], { env });
  });

  afterAll(() => {
    network[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  test("a mirror receives no faster than its limit, and not much slower", async () => {
    const centralHost = addHost("free");
    await using _central = await serve(centralHost, []);
    const mirror = await startMirror(centralHost, ["--bwlimit", `0:${LIMIT}`]);
    const rate = await rateOf(() => mirror.host.counters().receivedBytes);
    await mirror.end();
    expectLimit(rate);
  });

  test("central sends no faster than its limit, to mirrors, to customers and to both together", async () => {
    const centralHost = addHost("limited");
    const customerHost = addHost("customer");
    await using _central = await serve(centralHost, ["--bwlimit", `${LIMIT}:0`]);
    const mirror = await startMirror(centralHost, []);
    expectLimit(await rateOf(() => centralHost.counters().sentBytes));
    const customer = startCustomer(customerHost, centralHost);
    const before = [mirror.host.counters().receivedBytes, customerHost.counters().receivedBytes] as const;
    // The swarm's fifteenth is some six blocks in one window: one or two more or less would be a fifth of it.
    expectLimit(await rateOf(() => centralHost.counters().sentBytes, 2 * WINDOW_MS));
    const swarmBytes = mirror.host.counters().receivedBytes - before[0];
    const customerBytes = customerHost.counters().receivedBytes - before[1];
    // One byte of fifteen; blocks are large for so little.
    expect(swarmBytes / (swarmBytes + customerBytes)).toBeGreaterThan(0.04);
    expect(swarmBytes / (swarmBytes + customerBytes)).toBeLessThan(0.1);
    expect(customerBytes).toBeGreaterThan(2 * swarmBytes);
    await mirror.end();
    expectLimit(await rateOf(() => centralHost.counters().sentBytes));
    await customer.end();
  });

  function addHost(name: string): TestHost {
    return network.addHost(`${name}${++hosts}`);
  }

  function serve(host: TestHost, words: readonly string[]): Promise<RunningProgram> {
    return RunningProgram.start(["serve", tree, ...words], { enter: host.enter, env });
  }

  /** An empty one that begins to fetch. */
  async function startMirror(
    centralHost: TestHost,
    words: readonly string[],
  ): Promise<{ readonly host: TestHost; readonly end: () => Promise<void> }> {
    const host = addHost("mirror");
    const { name } = host;
    const url = `http://${centralHost.address}:7380`;
    const ticket = (await runPrsync(["invite", tree, name, "--url", url], { env })).stdout.trim();
    const child = start(["sync", ticket, join(directory, name), ...words], { enter: host.enter, env });
    return { host, end: () => ended(child) };
  }

  function startCustomer(host: TestHost, centralHost: TestHost): { readonly end: () => Promise<void> } {
    const url = `http://${centralHost.address}:7380/large.iso`;
    const script = `for await (const _ of (await fetch(${JSON.stringify(url)})).body);`;
    const words = [...host.enter, process.execPath, "--input-type=module", "--eval", script];
    const child = spawn(words[0]!, words.slice(1), { stdio: "ignore" });
    return { end: () => ended(child) };
  }

  async function ended(child: ReturnType<typeof spawn>): Promise<void> {
    child.kill("SIGTERM");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  /** Bytes per second by a counter that is on its way, over some seconds. */
  async function rateOf(count: () => number, windowMs = WINDOW_MS): Promise<number> {
    const begin = count();
    while (count() - begin < WARM_UP_BYTES) await sleep(50);
    const [fromBytes, fromMs] = [count(), performance.now()];
    await sleep(windowMs);
    return ((count() - fromBytes) * 1000) / (performance.now() - fromMs);
  }

  function expectLimit(bytesPerSecond: number): void {
    console.log(`${Math.round(bytesPerSecond)} bytes/s of ${LIMIT_BYTES}`);
    expect(bytesPerSecond).toBeGreaterThan(0.9 * LIMIT_BYTES);
    expect(bytesPerSecond).toBeLessThan(1.1 * LIMIT_BYTES);
  }
});

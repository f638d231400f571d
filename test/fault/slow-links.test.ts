import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { changeRate, droppedPackets, loseOneInTen } from "../support/link-faults.ts";
import { NamespaceSwarm, type OneSync } from "../support/namespace-swarm.ts";
import { canMakeNetworks, type TestHost } from "../support/network.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const needsNetwork = canMakeNetworks() ? "" : " (skipped: needs root and iproute2)";
const MIB = 2 ** 20;
const LARGE_BYTES = 8 * MIB;
const RATE = "20mbit";
const SLOW_RATE = "400kbit";
/** What a run may take longer for reasons of the machine: the figures are printed, the limits are against what hangs. */
const NOISE_SECONDS = 3;

describe.skipIf(needsNetwork !== "")(`a mirror on lines that are bad${needsNetwork}`, { timeout: 90_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-slow-"));
  let swarm: NamespaceSwarm;
  let undisturbed: OneSync;

  beforeAll(async () => {
    swarm = new NamespaceSwarm({ directory });
    mkdirSync(swarm.tree);
    writeFileSync(join(swarm.tree, "large.iso"), randomBytesOf(1, LARGE_BYTES));
    writeFileSync(join(swarm.tree, "small.iso"), randomBytesOf(2, MIB));
    await swarm.publish();
    await swarm.serve();
    await Promise.all(["one", "two", "three"].map((name) => swarm.addMirror(name)));
    await swarm.allSynced(1);
    for (const host of everybody()) changeRate(host, RATE);
    undisturbed = await syncOnce("undisturbed", { prepare: (host) => changeRate(host, RATE) });
  });

  afterAll(async () => {
    await swarm[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  test("N08 one slow peer among others delays it little", async () => {
    const slow = swarm.mirrors[0]!.host;
    changeRate(slow, "80kbit");
    const { summary, host } = await syncOnce("beside-a-slow-one", { prepare: (own) => changeRate(own, RATE) });
    changeRate(slow, RATE);
    console.log(`N08: ${summary.seconds.toFixed(1)} s, undisturbed ${undisturbed.summary.seconds.toFixed(1)} s`);
    expect(summary.seconds).toBeLessThan(1.2 * undisturbed.summary.seconds + NOISE_SECONDS);
    expect(host.counters().receivedBytes).toBeLessThan(1.15 * (LARGE_BYTES + MIB));
  });

  test("N10 a tenth of all packets is lost", async () => {
    for (const host of everybody()) loseOneInTen(host, RATE);
    const { summary } = await syncOnce("lossy", { prepare: (host) => loseOneInTen(host, RATE) });
    const lost = everybody().map(droppedPackets);
    console.log(
      `N10: ${summary.seconds.toFixed(1)} s, undisturbed ${undisturbed.summary.seconds.toFixed(1)} s; lost ${lost.join(", ")}`,
    );
    expect(lost.reduce((sum, packets) => sum + packets)).toBeGreaterThan(200); // of some 6,000
    expect(summary.seconds).toBeLessThan(3 * undisturbed.summary.seconds + NOISE_SECONDS);
  });

  test("N09 all others are slow: it goes on, and nobody is banned or let go", async () => {
    for (const host of everybody()) changeRate(host, SLOW_RATE);
    const { summary, log } = await syncOnce("slow", { words: ["--include=/small.iso", "--exclude=*"] });
    console.log(`N09: ${summary.seconds.toFixed(1)} s, ${JSON.stringify(summary.bytes)}`);
    // Sources of 50 kB/s: it was slow indeed.
    expect(summary.seconds).toBeGreaterThan(4);
    expect(log).not.toContain("banned");
    const reasons = [...log.matchAll(/peer gone .*reason=(.*)$/gm)].map(([, reason]) => reason);
    expect(new Set(reasons)).toEqual(new Set(['"shutting down"']));
    // The three mirrors; the origin is called if they are slower than it would be.
    expect(reasons.length).toBeGreaterThanOrEqual(3);
  });

  function everybody(): TestHost[] {
    return [swarm.centralHost, ...swarm.mirrors.map((mirror) => mirror.host)];
  }

  async function syncOnce(name: string, change: Parameters<NamespaceSwarm["syncOnce"]>[1]): Promise<OneSync> {
    const synced = await swarm.syncOnce(name, change);
    if (change?.words === undefined) expect(await rsyncDifferences(swarm.tree, synced.destination, true)).toBe("");
    return synced;
  }
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { seededRandom } from "../../src/core/clock.ts";
import { NamespaceSwarm, type SwarmMirror } from "../support/namespace-swarm.ts";
import { canMakeNetworks } from "../support/network.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const needsNetwork = canMakeNetworks() ? "" : " (skipped: needs root and iproute2)";
const NEW_BYTES = 12 * 2 ** 20;
/** A copy takes 5 s at least, so that there is a middle to be killed in. */
const RATE = "20mbit";
const SEED = 20_261_121;
const SIZES = process.env["PRSYNC_TEST_SLOW"] === "1" ? [6, 20] : [6];

describe.skipIf(needsNetwork !== "")(`churn${needsNetwork}`, () => {
  test.each(SIZES)(
    "half of %i daemons are killed and come back during a release: all end exact, the origin gives at most 1.5 copies",
    { timeout: 400_000 },
    async (count) => {
      const directory = mkdtempSync(join(tmpdir(), "prsync-churn-"));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      await using swarm = new NamespaceSwarm({ directory, rate: RATE });
      mkdirSync(swarm.tree);
      writeFileSync(join(swarm.tree, "old"), randomBytesOf(1, 400_000));
      await swarm.publish();
      await swarm.serve();
      for (let index = 0; index < count; index++) await swarm.addMirror(`m${index}`);
      await swarm.allSynced(1);

      writeFileSync(join(swarm.tree, "new.iso"), randomBytesOf(2, NEW_BYTES - 2 ** 20));
      for (let index = 0; index < 16; index++) {
        writeFileSync(join(swarm.tree, `new-${index}`), randomBytesOf(10 + index, 2 ** 16));
      }
      const before = swarm.centralHost.counters().sentBytes;
      const release = await swarm.publish();
      const random = seededRandom(SEED);
      const victims = shuffled(swarm.mirrors, random).slice(0, count / 2);
      const kills = await Promise.all(victims.map((victim) => killAndRestart(swarm, victim, { release, random })));
      await swarm.allSynced(release, 300_000);
      const copies = (swarm.centralHost.counters().sentBytes - before) / NEW_BYTES;

      const inTheMiddle = kills.filter((kill) => kill.wasSyncing).length;
      console.log(`seed ${SEED}: ${inTheMiddle} of ${kills.length} killed while syncing, ${copies.toFixed(2)} copies`);
      expect(inTheMiddle).toBeGreaterThan(0);
      for (const { destination } of swarm.mirrors) {
        expect(await rsyncDifferences(swarm.tree, destination, true)).toBe("");
      }
      expect(copies).toBeLessThan(1.5);
    },
  );
});

/** SIGKILL within the first seconds of the release, back a little later. */
async function killAndRestart(
  swarm: NamespaceSwarm,
  mirror: SwarmMirror,
  { release, random }: { readonly release: number; readonly random: () => number },
): Promise<{ readonly wasSyncing: boolean }> {
  const [lifeMs, restMs] = [1_000 + 4_000 * random(), 200 + 1_500 * random()];
  await sleep(lifeMs);
  const wasSyncing = !mirror.daemon.events.some((event) => event["release"] === release);
  await mirror.daemon.stop("SIGKILL");
  await sleep(restMs);
  await swarm.restart(mirror);
  return { wasSyncing };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

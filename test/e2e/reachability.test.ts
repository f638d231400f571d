import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { NamespaceSwarm, type NamespaceSwarmOptions, type SwarmMirror } from "../support/namespace-swarm.ts";
import { canMakeNetworks } from "../support/network.ts";
import { runPrsyncJson } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";

const needsNetwork = canMakeNetworks() ? "" : " (skipped: needs root and iproute2)";
const PEER_PORT = 7382;
const FILE_BYTES = 8 * 2 ** 20;

interface Listed {
  readonly name: string;
  readonly live?: { readonly host: string; readonly portState: string };
}

interface SyncedBytes {
  readonly fromPeers: number;
  readonly fromOrigin: number;
}

describe.skipIf(needsNetwork !== "")(
  `mirrors that are reached in other ways${needsNetwork}`,
  { timeout: 90_000 },
  () => {
    test("tracker, origin and peers work over IPv6 alone, and a mirror takes all from another one", async () => {
      await using swarm = await publishedSwarm({ usesIpv6: true });
      const first = await swarm.addMirror("first");
      await swarm.allSynced(1);
      await vi.waitUntil(async () => (await portStates(swarm)).get("first") === "reachable", { timeout: 30_000 });
      const second = await swarm.addMirror("second", {
        prepare: (host) => host.forbid({ address: swarm.centralHost.address6, port: PEER_PORT }),
      });
      await swarm.allSynced(1);
      const { fromPeers, fromOrigin } = syncedBytes(second);
      expect(fromPeers).toBeGreaterThan(FILE_BYTES);
      expect(fromOrigin).toBeLessThan(FILE_BYTES / 10);
      const listed = await runPrsyncJson<Listed[]>(["volunteers", swarm.tree], { env: swarm.env });
      expect(listed.map(({ live }) => live?.host)).toEqual([first.host.address6, second.host.address6]);
      await expectExact(swarm);
    });

    test("a mirror that accepts no incoming connections still finishes, and gives", async () => {
      await using swarm = await publishedSwarm({ rate: "20mbit" });
      const [hidden, open] = await Promise.all([
        swarm.addMirror("hidden", { prepare: (host) => host.hide(PEER_PORT) }),
        swarm.addMirror("open"),
      ]);
      await swarm.allSynced(1);
      console.log(`the hidden mirror sent ${hidden.host.counters().sentBytes} bytes, of ${FILE_BYTES}`);
      expect(hidden.host.counters().sentBytes).toBeGreaterThan(FILE_BYTES / 5);
      expect(syncedBytes(open).fromPeers).toBeGreaterThan(FILE_BYTES / 5);
      expect((await portStates(swarm)).get("hidden")).not.toBe("reachable");
      await expectExact(swarm);
    });

    test("partial mirrors swarm what they have in common", async () => {
      await using swarm = await publishedSwarm({});
      for (const name of ["left", "right"])
        writeFileSync(join(swarm.tree, name), randomBytesOf(name.length, FILE_BYTES / 4));
      await swarm.publish();
      await swarm.addMirror("one", { words: ["--exclude", "/right"] });
      await swarm.allSynced(2);
      await vi.waitUntil(async () => (await portStates(swarm)).get("one") === "reachable", { timeout: 30_000 });
      const other = await swarm.addMirror("other", { words: ["--exclude", "/left"] });
      await swarm.allSynced(2);
      const { fromPeers, fromOrigin } = syncedBytes(other);
      console.log(
        `of ${FILE_BYTES} common and ${FILE_BYTES / 4} own bytes ${fromPeers} from the other, ${fromOrigin} from the origin`,
      );
      expect(fromPeers).toBeGreaterThan(0.9 * FILE_BYTES);
      expect(fromOrigin).toBeLessThan(1.3 * (FILE_BYTES / 4));
      for (const { destination } of swarm.mirrors) {
        const kept = destination.endsWith("one") ? "left" : "right";
        expect(readdirSync(destination).toSorted()).toEqual([".prsync", "large.iso", kept, "small"].toSorted());
        for (const name of ["large.iso", kept]) {
          expect(sha256Of(readFileSync(join(destination, name)))).toBe(sha256Of(readFileSync(join(swarm.tree, name))));
        }
      }
    });

    async function publishedSwarm(options: Partial<NamespaceSwarmOptions>): Promise<NamespaceSwarm> {
      const directory = mkdtempSync(join(tmpdir(), "prsync-reach-"));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const swarm = new NamespaceSwarm({ directory, ...options });
      mkdirSync(swarm.tree);
      writeFileSync(join(swarm.tree, "large.iso"), randomBytesOf(7, FILE_BYTES));
      writeFileSync(join(swarm.tree, "small"), "small\n");
      await swarm.publish();
      await swarm.serve();
      return swarm;
    }

    async function portStates(swarm: NamespaceSwarm): Promise<ReadonlyMap<string, string | undefined>> {
      const listed = await runPrsyncJson<Listed[]>(["volunteers", swarm.tree], { env: swarm.env });
      return new Map(listed.map(({ name, live }) => [name, live?.portState]));
    }

    function syncedBytes({ daemon }: SwarmMirror): SyncedBytes {
      return daemon.events.find(({ event }) => event === "synced")!["bytes"] as SyncedBytes;
    }

    async function expectExact(swarm: NamespaceSwarm): Promise<void> {
      for (const { destination } of swarm.mirrors)
        expect(await rsyncDifferences(swarm.tree, destination, true)).toBe("");
    }
  },
);

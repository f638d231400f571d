import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { NamespaceSwarm } from "../support/namespace-swarm.ts";
import { canMakeNetworks, type TestHost } from "../support/network.ts";
import { run } from "../support/program.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const needsNetwork = canMakeNetworks() ? "" : " (skipped: needs root and iproute2)";
const FILE_BYTES = 16 * 2 ** 20;

describe.skipIf(needsNetwork !== "")(`customers${needsNetwork}`, () => {
  test("give nothing: what leaves their host is requests and acknowledgements, and nobody calls them (C22)", async () => {
    const directory = mkdtempSync(join(tmpdir(), "prsync-take-only-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    await using swarm = new NamespaceSwarm({ directory });
    mkdirSync(swarm.tree);
    const bytes = randomBytesOf(1, FILE_BYTES);
    writeFileSync(join(swarm.tree, "image.iso"), bytes);
    const release = await swarm.publish();
    await swarm.serve();
    const words = ({ address }: TestHost): readonly string[] => ["--public-url", `http://${address}:7381`];
    for (const name of ["m0", "m1"]) await swarm.addMirror(name, { words });
    await swarm.allSynced(release);
    const url = `http://${swarm.centralHost.address}:7380/image.iso`;
    const mirrors = new Set(swarm.mirrors.map(({ host }) => host.address));
    const customer = swarm.network.addHost("customer");
    const target = join(directory, "got.iso");
    const asCustomer = (...words: readonly string[]): Promise<string> =>
      run("ip", ["netns", "exec", customer.uplink.namespace, "curl", "-fsSL", ...words]);
    await expect.poll(() => asCustomer(`${url}?explain`), { timeout: 60_000 }).toContain("not eligible:\n  (none)");

    const before = customer.counters();
    const from = await asCustomer("-w", "%{remote_ip}", "-o", target, url);
    const after = customer.counters();
    expect(mirrors).toContain(from);
    expect(createHash("sha256").update(readFileSync(target)).digest("hex")).toBe(
      createHash("sha256").update(bytes).digest("hex"),
    );
    expect(after.receivedBytes - before.receivedBytes).toBeGreaterThan(FILE_BYTES);
    expect(after.sentBytes - before.sentBytes).toBeLessThan(FILE_BYTES / 20);
    // Since the host exists: calls to it that were taken, and those that the kernel turned away.
    expect(tcpCounters(customer)).toMatchObject({ PassiveOpens: 0, OutRsts: 0 });
  });
});

/** Of the host's kernel, RFC 4022's names: `Tcp: name name …` above `Tcp: value value …`. */
function tcpCounters({ enter }: TestHost): Record<string, number> {
  const [first, ...words] = [...enter, "cat", "/proc/net/snmp"];
  const lines = execFileSync(first, words, { encoding: "utf8" }).split("\n");
  const [names, values] = lines.filter((line) => line.startsWith("Tcp: ")).map((line) => line.split(" ").slice(1));
  return Object.fromEntries(names!.map((name, index) => [name, Number(values![index])]));
}

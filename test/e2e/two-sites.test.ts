import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canMakeNetworks, TestNetwork, type TestHost } from "../support/network.ts";
import { run, RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const SITES = ["Physik", "Physik", "Physik", "Chemie", "Chemie", "Chemie"] as const;
const FILE_BYTES = 8 * 1024 * 1024;
const LINE = { up: "20mbit", down: "20mbit" };

interface SiteTotals {
  readonly site: string;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

describe.skipIf(!canMakeNetworks())("two sites of three mirrors each", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-sites-"));
  const tree = join(directory, "tree");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  const destination = (index: number): string => join(directory, `mirror-${index}`);
  const mirrors: RunningProgram[] = [];
  let central: RunningProgram | undefined;
  let network: TestNetwork;
  let centralHost: TestHost;

  beforeAll(async () => {
    network = new TestNetwork();
    centralHost = network.addHost("central", LINE);
    mkdirSync(tree);
    writeFileSync(join(tree, "README"), "a repository\n");
    await runPrsyncJson(["publish", tree], { env });
    const listen = ["--listen", `${centralHost.address}:7380`, "--announce-interval", "10s", "--fair-sites"];
    central = await RunningProgram.start(["serve", tree, ...listen], { enter: centralHost.enter, env });
    for (const [index, site] of SITES.entries()) {
      const { enter } = network.addHost(`m${index}`, LINE);
      const invite = ["invite", tree, `m${index}`, "--url", `http://${centralHost.address}:7380`, "--site", site];
      const ticket = (await runPrsync(invite, { env })).stdout.trim();
      mirrors.push(await RunningProgram.start(["daemon", ticket, destination(index)], { enter, env }));
    }
    await allHave(1);
  }, 120_000);

  afterAll(async () => {
    for (const program of [...mirrors, central]) await program?.[Symbol.asyncDispose]();
    network[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  async function allHave(release: number): Promise<void> {
    const isSynced = (event: Record<string, unknown>): boolean =>
      event["event"] === "synced" && event["release"] === release;
    await Promise.all(mirrors.map((mirror) => mirror.waitFor(isSynced, 90_000)));
  }

  test("a release crosses the border of each site about once, and each gives the other about its half", async () => {
    writeFileSync(join(tree, "image"), randomBytesOf(1, FILE_BYTES));
    const { release } = await runPrsyncJson<{ release: number }>(["publish", tree], { env });
    await allHave(release);
    for (const index of mirrors.keys()) expect(await rsyncDifferences(tree, destination(index))).toBe("");
    // The counters come with the announces at the end of the syncs.
    await expect
      .poll(async () => (await siteTotals()).map(copiesOf), { timeout: 30_000, interval: 500 })
      .toEqual(["Chemie", "Physik"].map((site) => ({ site, isTakenOnce: true, isGivenInPart: true })));
  }, 120_000);

  async function siteTotals(): Promise<SiteTotals[]> {
    const status = await runInside(["curl", "-sf", `http://${centralHost.address}:7380/.prsync/api/v1/status`]);
    const { sites } = JSON.parse(status) as { sites: SiteTotals[] };
    return sites.toSorted((a, b) => (a.site < b.site ? -1 : 1));
  }

  async function runInside(words: readonly string[]): Promise<string> {
    return await run(words[0]!, words.slice(1), { enter: centralHost.enter });
  }
});

function copiesOf({ site, uploadedBytes, downloadedBytes }: SiteTotals): object {
  const [taken, given] = [downloadedBytes / FILE_BYTES, uploadedBytes / FILE_BYTES];
  return { site, isTakenOnce: taken > 0.95 && taken < 1.5, isGivenInPart: given > 0.25 && given < 0.9 };
}

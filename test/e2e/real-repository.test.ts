import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { PackagesUnavailable } from "../../bench/support/real-packages.ts";
import { RealRepository } from "../../bench/support/real-repository.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";

/** Or why there are no packages. */
const repository = fetchRepository();
if (typeof repository === "string") console.warn(`skipped, no packages: ${repository}`);

describe.skipIf(typeof repository === "string")("a repository of real npm and Debian packages", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-real-"));
  const tree = join(directory, "tree");
  const destination = join(directory, "mirror");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  let central: RunningProgram | undefined;

  afterAll(async () => {
    await central?.stop();
    rmSync(directory, { recursive: true });
  });

  test.each([1, 2, 3])("release %i ends exact on a mirror", async (release) => {
    mkdirSync(tree, { recursive: true });
    const shape = (repository as RealRepository).apply(tree, release);
    await runPrsyncJson(["publish", tree], { env });
    const summary = await sync();
    console.log(`release ${release}: ${shape.bytes} bytes in the tree, ${summary.bytes.received} received`);
    expect(summary).toMatchObject({ release, previous: release - 1, files: { total: shape.files } });
    expect(summary.bytes).toMatchObject({ total: shape.bytes });
    expect(await rsyncDifferences(tree, destination)).toBe("");
  });

  test("a renamed directory of packages costs no content", async () => {
    renameSync(join(tree, "debian/pool"), join(tree, "debian/archive"));
    await runPrsyncJson(["publish", tree], { env });
    const summary = await sync();
    expect(summary.files).toMatchObject({ delta: 0, fetched: 0 });
    expect(summary.files.copied).toBeGreaterThan(0);
    expect(summary.bytes).toMatchObject({ reused: summary.bytes.total, fromOrigin: 0, fromPeers: 0 });
    expect(await rsyncDifferences(tree, destination)).toBe("");
  });

  async function sync(): Promise<Summary> {
    const words = ["sync", ...(await ticketOnce()), destination, "--delete", "--peer-port", "0"];
    return await runPrsyncJson<Summary>(words, { env });
  }

  /** Starts central and invites the mirror the first time. */
  async function ticketOnce(): Promise<string[]> {
    if (central !== undefined) return [];
    const words = ["serve", tree, "--listen", "127.0.0.1:0", "--peer-port", "0", "--announce-interval", "10s"];
    central = await RunningProgram.start(words, { env });
    return [(await runPrsync(["invite", tree, "one", "--url", central.ready.http], { env })).stdout.trim()];
  }
});

interface Summary {
  readonly release: number;
  readonly previous: number;
  readonly files: { readonly copied: number };
  readonly bytes: {
    readonly total: number;
    readonly reused: number;
    readonly received: number;
    readonly fromPeers: number;
    readonly fromOrigin: number;
  };
}

function fetchRepository(): RealRepository | string {
  try {
    return RealRepository.fetch("small");
  } catch (error) {
    if (error instanceof PackagesUnavailable) return error.message;
    throw error;
  }
}

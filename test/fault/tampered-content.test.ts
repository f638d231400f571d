import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  closeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { fingerprintOf } from "../../src/store/publish-index-stat.ts";
import { RunningProgram, runPrsync, runPrsyncJson, type RunResult } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";
import { compareTransition, digestTree, type TreeDigest } from "../support/tree-digest.ts";

/** Nobody can tell from outside when a mirror became a source for others: the tracker says. */
const ANNOUNCED_WITHIN_MS = 20_000;

/** Central on loopback with two releases: the second brings a large file and removes one. */
class Repository {
  readonly directory = mkdtempSync(join(tmpdir(), "prsync-content-"));
  readonly tree = join(this.directory, "tree");
  readonly #env = { PRSYNC_STATE_HOME: join(this.directory, "state") };
  readonly large = randomBytesOf(2, 400_000);
  central!: RunningProgram;
  old!: TreeDigest;
  next!: TreeDigest;

  constructor() {
    onTestFinished(async () => {
      await this.central.stop();
      rmSync(this.directory, { recursive: true });
    });
  }

  /** Release 1, served. */
  async start(): Promise<void> {
    mkdirSync(join(this.tree, "dists"), { recursive: true });
    writeFileSync(join(this.tree, "goes"), "goes\n");
    writeFileSync(join(this.tree, "dists/Release"), "one\n");
    await this.publish();
    const words = ["--listen", "127.0.0.1:0", "--peer-port", "0", "--announce-interval", "10s"];
    this.central = await RunningProgram.start(["serve", this.tree, ...words], { env: this.#env });
    this.old = digestTree(this.tree);
  }

  /** Release 2. */
  async grow(): Promise<void> {
    writeFileSync(join(this.tree, "large"), this.large);
    writeFileSync(join(this.tree, "small"), "small\n");
    writeFileSync(join(this.tree, "dists/Release"), "two\n");
    rmSync(join(this.tree, "goes"));
    await this.publish();
    this.next = digestTree(this.tree);
  }

  async publish(): Promise<void> {
    await runPrsyncJson(["publish", this.tree], { env: this.#env });
  }

  mirror(name: string): string {
    return join(this.directory, name);
  }

  async firstSync(name: string): Promise<RunResult> {
    return await runPrsync(["sync", await this.#ticket(name), this.mirror(name), "--peer-port", "0", "--json"], {
      env: this.#env,
    });
  }

  async sync(name: string): Promise<RunResult> {
    return await runPrsync(["sync", this.mirror(name), "--delete", "--peer-port", "0", "--json"], { env: this.#env });
  }

  /** A daemon that holds the newest release and that the tracker hands out. */
  async daemon(name: string): Promise<RunningProgram> {
    const words = [
      "daemon",
      await this.#ticket(name),
      this.mirror(name),
      "--listen",
      "127.0.0.1:0",
      "--peer-port",
      "0",
    ];
    const program = await RunningProgram.start(words, { env: this.#env });
    onTestFinished(() => program.stop().then(() => undefined));
    await program.waitFor((event) => event["event"] === "synced");
    const deadlineMs = performance.now() + ANNOUNCED_WITHIN_MS;
    while (!(await this.#volunteers()).includes('"release":2')) {
      if (performance.now() > deadlineMs) throw new Error(`not announced: ${await this.#volunteers()}\n${program.log}`);
      await new Promise((wake) => setTimeout(wake, 100));
    }
    return program;
  }

  async #volunteers(): Promise<string> {
    return await (await fetch(`${this.central.ready.http}/.prsync/api/v1/volunteers`)).text();
  }

  async #ticket(name: string): Promise<string> {
    const words = ["invite", this.tree, name, "--url", this.central.ready.http];
    return (await runPrsync(words, { env: this.#env })).stdout.trim();
  }
}

/** Changes a byte in the middle of a file where it stands. */
function editInPlace(path: string): void {
  const file = openSync(path, "r+");
  writeSync(file, Buffer.from("X"), 0, 1, statSync(path).size >> 1);
  closeSync(file);
}

function withDatabase(path: string, act: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path, { timeout: 10_000 });
  act(database);
  database.close();
}

/** What a mirror shows whose source lacks "large": nothing wrong, and neither index nor removals without it. */
function expectHeldBack(repository: Repository, name: string): void {
  const found = digestTree(repository.mirror(name));
  expect(compareTransition(found, repository.old, repository.next).wrong).toEqual([]);
  expect(found.has("large")).toBe(false);
  expect(found.get("dists/Release")).toBe(repository.old.get("dists/Release"));
  expect(found.has("goes")).toBe(true);
}

test("a file of TREE edited in place is not given out under its old hash", async () => {
  const repository = new Repository();
  await repository.start();
  expect((await repository.firstSync("mirror")).code).toBe(0);
  await repository.grow();
  editInPlace(join(repository.tree, "large"));
  const result = await repository.sync("mirror");
  expect(result.code).toBe(23);
  // Nothing but refusals came: neither the bytes as they are now nor requests and rejects without end.
  expect((JSON.parse(result.stdout) as { bytes: { received: number } }).bytes.received).toBeLessThan(20_000);
  expect(repository.central.log).toContain("piece withdrawn");
  expect(result.stderr).toMatch(/update of "large" failed: central answered 404 when asked for content [0-9a-f]{64}/);
  expectHeldBack(repository, "mirror");
  await repository.publish();
  expect((await repository.sync("mirror")).code).toBe(0);
  expect(await rsyncDifferences(repository.tree, repository.mirror("mirror"))).toBe("");
}, 120_000);

test("a content that rotted at central without a trace is refused by its hash", async () => {
  const repository = new Repository();
  await repository.start();
  expect((await repository.firstSync("mirror")).code).toBe(0);
  await repository.grow();
  const sha256 = sha256Of(repository.large);
  const copy = join(`${repository.tree}.prsync/contents`, sha256.slice(0, 2), sha256);
  editInPlace(copy);
  withDatabase(join(`${repository.tree}.prsync`, "index.sqlite"), (database) => {
    const stat = fingerprintOf(statSync(copy, { bigint: true }));
    const change = database.prepare("UPDATE contents SET retained = ? WHERE sha256 = ?");
    expect(change.run(stat, Buffer.from(sha256, "hex")).changes).toBe(1);
  });
  const result = await repository.sync("mirror");
  expect(result.code).toBe(23);
  expect(result.stderr).toMatch(
    /update of "large" failed: content [0-9a-f]{64} has another SHA-256 even from the origin/,
  );
  expectHeldBack(repository, "mirror");
}, 120_000);

test("a daemon withdraws a file that was changed on its disk, tells, and mends it", async () => {
  const repository = new Repository();
  await repository.start();
  await repository.grow();
  const daemon = await repository.daemon("changed");
  editInPlace(join(repository.mirror("changed"), "large"));
  expect((await repository.firstSync("asking")).code).toBe(0);
  expect(daemon.log).toContain("file changed on disk, no longer given to others path=large");
  expect(await rsyncDifferences(repository.tree, repository.mirror("asking"))).toBe("");
  const isMended = (): boolean => readFileSync(join(repository.mirror("changed"), "large")).equals(repository.large);
  await expect.poll(isMended, { timeout: 20_000 }).toBe(true);
}, 120_000);

test("what a peer's disk changed without a trace is refused by its hash and fetched elsewhere", async () => {
  const repository = new Repository();
  await repository.start();
  await repository.grow();
  const daemon = await repository.daemon("lying");
  const path = join(repository.mirror("lying"), "large");
  editInPlace(path);
  withDatabase(join(repository.mirror("lying"), ".prsync/index.sqlite"), (database) => {
    const { mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    const change = database.prepare("UPDATE files SET mtime_ns = ?, ctime_ns = ? WHERE path = ?");
    expect(change.run(mtimeNs, ctimeNs, Buffer.from("large")).changes).toBe(1);
  });
  const asked = await repository.firstSync("asking");
  expect(asked.code).toBe(0);
  expect(asked.stderr).toContain("peer sent wrong bytes");
  expect(asked.stderr).toContain("piece failed its hash");
  expect(await rsyncDifferences(repository.tree, repository.mirror("asking"))).toBe("");
  expect(daemon.log).not.toContain("changed on disk");
}, 120_000);

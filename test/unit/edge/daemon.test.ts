import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { MirrorDaemon, type DaemonOptions } from "../../../src/edge/daemon.ts";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { runSync, type SyncOutcome } from "../../../src/edge/sync-job.ts";
import { SyncError } from "../../../src/edge/errors.ts";
import type { SelectionSettings } from "../../../src/filter/selection.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { contentOf } from "./mirror-disk.ts";
import { FAST_CLOCK, MirrorFixture, SYNC_OPTIONS } from "./mirror-fixture.ts";

const HOURS_MS = 3_600_000;
const running: Running[] = [];

/** A daemon at work, fifty times as fast as time. */
class Running {
  readonly synced: SyncOutcome[] = [];
  readonly failed: { readonly error: unknown; readonly retryInMs: number }[] = [];
  readonly mirror: Mirror;
  readonly daemon: MirrorDaemon;
  readonly #abort: AbortController;
  readonly #ended: Promise<void>;

  private constructor(mirror: Mirror, abort: AbortController, change: Partial<DaemonOptions>) {
    this.mirror = mirror;
    this.#abort = abort;
    const options = { pollIntervalMs: 4 * HOURS_MS, isImmediate: false, sync: SYNC_OPTIONS, ...change };
    this.daemon = new MirrorDaemon(mirror, options, {
      onSynced: (outcome) => this.synced.push(outcome),
      onFailed: (error, retryInMs) => this.failed.push({ error, retryInMs }),
    });
    this.#ended = this.daemon.run();
    running.push(this);
  }

  static async start(
    fixture: MirrorFixture,
    { selection, ...change }: Partial<DaemonOptions> & { readonly selection?: SelectionSettings } = {},
  ): Promise<Running> {
    const abort = new AbortController();
    const mirror = await fixture.open({
      signal: abort.signal,
      clock: FAST_CLOCK,
      ...(selection === undefined ? {} : { selection }),
    });
    await mirror.recallTrust();
    void mirror.announcer.announceNow();
    return new Running(mirror, abort, change);
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("stopped"));
    await this.#ended;
    await this.mirror[Symbol.asyncDispose]();
  }
}

test.each([undefined, HOURS_MS])(
  "a damaged index ends the daemon, whether it scrubs or not (%s)",
  async (scrubPeriodMs) => {
    const fixture = new MirrorFixture(await central({ a: "a" }));
    const damaged = new StoreError("index-damaged", "a page of zeros");
    const mirror = await fixture.open({ clock: FAST_CLOCK });
    const options = {
      pollIntervalMs: 4 * HOURS_MS,
      isImmediate: true,
      sync: SYNC_OPTIONS,
      ...(scrubPeriodMs && { scrubPeriodMs }),
    };
    const failed: unknown[] = [];
    const report = { onSynced: () => undefined, onFailed: (error: unknown) => failed.push(error) };
    const daemon = new MirrorDaemon(mirror, { ...options, synchronise: () => Promise.reject(damaged) }, report);
    await expect(daemon.run()).rejects.toBe(damaged);
    expect(failed).toEqual([]);
    await mirror[Symbol.asyncDispose]();
  },
);

afterEach(async () => {
  for (const daemon of running.splice(0)) await daemon.stop();
});

async function central(files: Readonly<Record<string, string>>): Promise<CentralFixture> {
  const fixture = new CentralFixture();
  for (const [path, bytes] of Object.entries(files)) fixture.write(path, bytes);
  await fixture.publish();
  await fixture.serve({ announceIntervalMs: 10_000 });
  return fixture;
}

async function publish(fixture: CentralFixture): Promise<void> {
  await fixture.publish();
  await fixture.program.refreshNow();
}

/** Waits until it holds, in real time. */
async function until(holds: () => boolean, limitMs = 10_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error("did not come true in time");
    await pause(5);
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

test("each release is fetched as central tells of it, and once", async () => {
  const source = await central({ a: "1" });
  const fixture = new MirrorFixture(source);
  const { synced } = await Running.start(fixture);
  await until(() => synced.length === 1);
  for (const release of [2, 3]) {
    source.write("a", `release ${release}`);
    await publish(source);
    await until(() => synced.at(-1)?.summary.release === release);
  }
  // Twenty announces and several backoffs later.
  await pause(4_000);
  expect(synced.map(({ summary }) => summary.release)).toEqual([1, 2, 3]);
});

test("a restart with nothing new waits its time, one with a newer release does not", async () => {
  const source = await central({ a: "1" });
  const fixture = new MirrorFixture(source);
  const first = await Running.start(fixture);
  await until(() => first.synced.length === 1);
  await first.stop();
  const second = await Running.start(fixture);
  await pause(1_000);
  expect(second.synced).toEqual([]);
  await second.stop();
  source.write("a", "2");
  await publish(source);
  const third = await Running.start(fixture);
  await until(() => third.synced.length === 1);
});

test("another selection than the last sync went by is applied at the start, and kept by a restart that names none", async () => {
  const fixture = new MirrorFixture(await central({ a: "a", "b.iso": "b" }));
  const first = await Running.start(fixture);
  await until(() => first.synced.length === 1);
  await first.stop();
  const rules = [{ option: "filter", value: "hide *.iso" }] as const;
  const second = await Running.start(fixture, { selection: { rules, ruleFiles: {} } });
  await until(() => second.synced.length === 1);
  expect([existsSync(fixture.at("a")), existsSync(fixture.at("b.iso"))]).toEqual([true, false]);
  await second.stop();
  const third = await Running.start(fixture);
  await pause(1_000);
  expect(third.synced).toEqual([]);
  expect(third.mirror.selected.selection.settings.rules).toEqual(rules);
});

test("a quota that the release can't keep is told once per poll, and the next release is tried", async () => {
  const source = await central({ "Packages.gz": "more than the quota" });
  const selection = { rules: [], ruleFiles: {}, quotaBytes: 10 };
  const { synced, failed } = await Running.start(new MirrorFixture(source), { selection });
  await until(() => failed.length === 1);
  expect(failed[0]!.error).toMatchObject({ code: "quota-too-small" });
  // 200 s of its time, twenty announces: with the backoff of other failures five tries.
  await pause(4_000);
  expect(failed).toHaveLength(1);
  expect(failed[0]!.retryInMs).toBeGreaterThanOrEqual(0.9 * 4 * HOURS_MS);
  source.write("Packages.gz", "less");
  await publish(source);
  await until(() => synced.length === 1);
});

test("a release told of while the quota can't keep the one before is tried at once", async () => {
  const source = await central({ "Packages.gz": "more than the quota" });
  const selection = { rules: [], ruleFiles: {}, quotaBytes: 10 };
  const refusedLate: DaemonOptions["synchronise"] = async (mirror, ...rest) => {
    try {
      return await runSync(mirror, ...rest);
    } catch (error) {
      if (failed.length === 0) {
        source.write("Packages.gz", "less");
        await publish(source);
        await until(() => mirror.situation.announcedRelease === 2);
      }
      throw error;
    }
  };
  const fixture = new MirrorFixture(source);
  const { synced, failed } = await Running.start(fixture, { selection, synchronise: refusedLate });
  await until(() => failed.length === 1);
  expect(failed[0]!.error).toMatchObject({ code: "quota-too-small" });
  await until(() => synced.length === 1);
  expect(synced[0]!.summary.release).toBe(2);
});

test("a path that keeps failing is tried again ever more seldom", async () => {
  const source = await central({ "dir/a": "a", b: "b" });
  const fixture = new MirrorFixture(source);
  const { synced, mirror } = await Running.start(fixture);
  await until(() => synced.length === 1);
  writeFileSync(fixture.at("dir/foreign"), "keeps the directory");
  rmSync(`${source.treePath}/dir`, { recursive: true });
  source.write("dir", "now a file");
  await publish(source);
  await until(() => synced.some(({ failures }) => failures.length > 0));
  const from = synced.length;
  // 200 s of its time: without backoff 40 to 80 tries, with it 5, 10, 20, 40, 80 … s at most.
  await pause(4_000);
  expect(synced.length - from).toBeGreaterThanOrEqual(2);
  expect(synced.length - from).toBeLessThanOrEqual(9);
  expect(mirror.holdings.isComplete).toBe(false);
});

test("a file that a reader finds changed is mended soon, together with others", async () => {
  const source = await central({ a: "a", b: "b" });
  const fixture = new MirrorFixture(source);
  const { synced, mirror } = await Running.start(fixture, { sync: { ...SYNC_OPTIONS, rescanMs: Infinity } });
  await until(() => synced.length === 1 && mirror.holdings.isComplete);
  for (const name of ["a", "b"]) {
    writeFileSync(fixture.at(name), name.toUpperCase());
    utimesSync(fixture.at(name), 1_000, 1_000);
    await mirror.held.read(contentOf(name), 0, 1);
  }
  expect(mirror.holdings.isComplete).toBe(false);
  await until(() => readFileSync(fixture.at("b"), "utf8") === "b" && mirror.holdings.isComplete);
  expect([readFileSync(fixture.at("a"), "utf8"), synced.length]).toEqual(["a", 2]);
});

test("adopted files are hashed while new releases go on, and a wrong one is mended", async () => {
  const source = await central({ right: "right", wrong: "wrong" });
  const fixture = new MirrorFixture(source);
  mkdirSync(fixture.destination);
  for (const [name, bytes] of [
    ["right", "right"],
    ["wrong", "gnorw"],
  ] as const) {
    writeFileSync(fixture.at(name), bytes);
    utimesSync(fixture.at(name), 784_111_777, 784_111_777);
  }
  const { synced, mirror } = await Running.start(fixture);
  await until(() => mirror.holdings.isComplete);
  expect(readFileSync(fixture.at("wrong"), "utf8")).toBe("wrong");
  await pause(500);
  expect(synced).toHaveLength(2);
});

test("a scrub finds what the disk changed behind size and time, and it is mended", async () => {
  const source = await central({ a: "right", b: "right too", c: "another" });
  const fixture = new MirrorFixture(source);
  const { synced, mirror } = await Running.start(fixture, { scrubPeriodMs: 1_000 });
  await until(() => synced.length === 1 && mirror.holdings.isComplete);
  const rotten = fixture.at("b");
  const { mtimeMs } = statSync(rotten);
  writeFileSync(rotten, "wrong too");
  utimesSync(rotten, mtimeMs / 1_000, mtimeMs / 1_000);
  await until(() => readFileSync(rotten, "utf8") === "right too");
  expect(readFileSync(fixture.at("a"), "utf8")).toBe("right");
});

test("a scrub goes on where the last run was", async () => {
  const source = await central({ a: "1", b: "2", c: "3" });
  const fixture = new MirrorFixture(source);
  const first = await Running.start(fixture, { scrubPeriodMs: 500 });
  const after = ({ mirror }: Running): string | undefined => {
    const told = mirror.index.facts.get("scrubRound");
    return told === undefined ? undefined : (JSON.parse(told) as { after: string }).after;
  };
  await until(() => first.synced.length === 1);
  await pause(1_500);
  await first.stop();
  const second = await Running.start(fixture, { scrubPeriodMs: 24 * HOURS_MS });
  const stopped = after(second)!;
  expect(["a", "b", "c"]).toContain(stopped);
  await pause(200);
  await second.stop();
  const third = await Running.start(fixture);
  expect(after(third)).toBe(stopped);
});

test("a central that is down is retried with backoff, a person's order at once and with the reason", async () => {
  const source = await central({ a: "1" });
  const fixture = new MirrorFixture(source);
  const { synced, failed, daemon } = await Running.start(fixture);
  await until(() => synced.length === 1);
  await source.program[Symbol.asyncDispose]();
  await expect(daemon.syncNow(SILENT_PROGRESS)).rejects.toThrow(/127\.0\.0\.1/);
  await until(() => failed.length >= 3);
  for (const [index, { retryInMs }] of failed.slice(0, 3).entries()) {
    expect(retryInMs).toBeLessThanOrEqual(5_000 * 2 ** index);
    expect(retryInMs).toBeGreaterThanOrEqual(2_500 * 2 ** index);
  }
  expect(daemon.lastError).toMatch(/127\.0\.0\.1/);
});

test("an order is answered with what was done, one that the end cuts off with that", async () => {
  const source = await central({ a: "1" });
  const fixture = new MirrorFixture(source);
  const daemon = await Running.start(fixture);
  await until(() => daemon.synced.length === 1);
  expect((await daemon.daemon.syncNow(SILENT_PROGRESS)).summary.files.kept).toBe(1);
  const order = daemon.daemon.syncNow(SILENT_PROGRESS);
  const told = expect(order).rejects.toThrow(SyncError);
  await daemon.stop();
  await told;
});

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import { serveCustomers } from "../../../src/edge/customer-server.ts";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { predictSync } from "../../../src/edge/dry-run.ts";
import { runSync } from "../../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";

const HOUR = 3_600_000;
const AGE = { removeAfterMs: 6 * HOUR };
const DELETE = { ...AGE, plan: { removal: "all" } } as const;

/** A mirror that holds a release, and what its clock shows. */
class AgingMirror {
  readonly central = new CentralFixture();
  readonly fixture!: MirrorFixture;
  mirror!: Mirror;
  #hours = 0;

  static async holding(...paths: readonly string[]): Promise<AgingMirror> {
    const aging = new AgingMirror();
    for (const path of paths) aging.central.write(path, `bytes of ${path}`);
    await aging.central.publish();
    await aging.central.serve();
    Object.assign(aging, { fixture: new MirrorFixture(aging.central) });
    await aging.open();
    await sync(aging.mirror);
    return aging;
  }

  /** As after a restart. What central signed ends after a day, so hours have to do. */
  async open(): Promise<void> {
    const clock: Clock = { ...realClock, wallMs: () => realClock.wallMs() + this.#hours * HOUR };
    this.mirror = await this.fixture.open({ clock });
  }

  async restart(): Promise<void> {
    await this.mirror[Symbol.asyncDispose]();
    await this.open();
  }

  pass(hours: number): void {
    this.#hours += hours;
  }

  async publish(change: (tree: string) => void): Promise<void> {
    change(this.central.treePath);
    await this.central.publish();
    await this.central.program.refreshNow();
  }

  has(...paths: readonly string[]): boolean[] {
    return paths.map((path) => existsSync(this.fixture.at(path)));
  }
}

function without(...paths: readonly string[]): (tree: string) => void {
  return (tree) => paths.forEach((path) => rmSync(`${tree}/${path}`, { recursive: true }));
}

test("what a release drops stays for AGE, across restarts, is given to customers meanwhile, and then goes", async () => {
  const aging = await AgingMirror.holding("keep", "dir/a", "dir/b");
  await aging.publish(without("dir"));
  const held = await sync(aging.mirror, AGE);
  expect([held.summary.files.removed, held.summary.files.heldBack]).toEqual([0, 3]);
  expect([...held.details.changes()].map(({ action }) => action)).not.toContain("remove");
  await using http = await serveCustomers(aging.mirror, { host: "127.0.0.1", port: 0 });
  expect(await (await fetch(`${http.url}/dir/a`)).text()).toBe("bytes of dir/a");
  aging.pass(5);
  await aging.restart();
  expect((await sync(aging.mirror, AGE)).summary.files).toMatchObject({ removed: 0, heldBack: 3 });
  aging.pass(1);
  expect(aging.has("dir/a", "dir/b")).toEqual([true, true]);
  const done = await sync(aging.mirror, AGE);
  expect(done.summary.files).toMatchObject({ removed: 3 });
  expect(done.summary.files.heldBack).toBeUndefined();
  expect(aging.has("keep", "dir")).toEqual([true, false]);
  expect(aging.mirror.index.gone.count()).toBe(0);
});

test("a path that comes back is kept, and its time begins anew when it goes again", async () => {
  const aging = await AgingMirror.holding("keep", "a");
  await aging.publish(without("a"));
  await sync(aging.mirror, AGE);
  aging.pass(5);
  await aging.publish((tree) => writeFileSync(`${tree}/a`, "bytes of a"));
  expect((await sync(aging.mirror, AGE)).summary.files).toMatchObject({ fetched: 0, removed: 0 });
  await aging.publish(without("a"));
  aging.pass(5);
  expect((await sync(aging.mirror, AGE)).summary.files).toMatchObject({ removed: 0, heldBack: 1 });
});

test("a run that ends before it has done anything has seen what is gone", async () => {
  const aging = await AgingMirror.holding("keep", "a");
  await aging.publish((tree) => {
    rmSync(`${tree}/a`);
    writeFileSync(`${tree}/new`, "new");
  });
  const failing = { ...SILENT_PROGRESS, onStage: (stage: string) => stop(stage === "reuse") };
  await expect(runSync(aging.mirror, { ...SYNC_OPTIONS, ...AGE }, failing)).rejects.toThrow("stopped");
  await aging.restart();
  aging.pass(6);
  expect((await sync(aging.mirror, AGE)).summary.files).toMatchObject({ removed: 1 });
});

test("with --delete what nobody brought stays as long, from when it was first seen; a daemon never takes it", async () => {
  const aging = await AgingMirror.holding("keep");
  mkdirSync(aging.fixture.at("foreign"));
  expect((await sync(aging.mirror, DELETE)).summary.files).toMatchObject({ removed: 0, heldBack: 1 });
  aging.pass(6);
  writeFileSync(aging.fixture.at("foreign/young"), "");
  expect((await sync(aging.mirror, AGE)).summary.files.removed).toBe(0);
  expect((await sync(aging.mirror, DELETE)).summary.files).toMatchObject({ removed: 0, heldBack: 2 });
  aging.pass(6);
  expect((await sync(aging.mirror, DELETE)).summary.files).toMatchObject({ removed: 2 });
});

test("--max-delete counts what is due; a dry run tells the same and remembers nothing", async () => {
  const aging = await AgingMirror.holding("keep", "a", "b");
  await aging.publish(without("a", "b"));
  const limited = { ...SYNC_OPTIONS, ...AGE, maxDelete: 1 };
  const foretold = await predictSync(aging.mirror, limited, SILENT_PROGRESS);
  expect(foretold.summary.files).toMatchObject({ removed: 0, heldBack: 2 });
  expect(aging.mirror.index.gone.count()).toBe(0);
  expect((await sync(aging.mirror, limited)).hasTooManyRemovals).toBe(false);
  aging.pass(6);
  const due = await predictSync(aging.mirror, limited, SILENT_PROGRESS);
  expect([due.hasTooManyRemovals, due.summary.files.removed]).toEqual([true, 0]);
  expect((await sync(aging.mirror, limited)).hasTooManyRemovals).toBe(true);
  expect(aging.has("a", "b")).toEqual([true, true]);
  expect((await sync(aging.mirror, { ...AGE, maxDelete: 2 })).summary.files.removed).toBe(2);
});

test("a file that is renamed is there under both names until the old one is due; no byte of it comes again", async () => {
  const aging = await AgingMirror.holding("old");
  await aging.publish((tree) => renameSync(`${tree}/old`, `${tree}/new`));
  expect((await sync(aging.mirror, AGE)).summary.files).toMatchObject({ copied: 1, fetched: 0, heldBack: 1 });
  expect(aging.has("old", "new")).toEqual([true, true]);
  aging.pass(6);
  await sync(aging.mirror, AGE);
  expect(aging.has("old", "new")).toEqual([false, true]);
});

test("a run without the option removes at once", async () => {
  const aging = await AgingMirror.holding("keep", "a");
  await aging.publish(without("a"));
  await sync(aging.mirror, AGE);
  expect((await sync(aging.mirror)).summary.files.removed).toBe(1);
  expect(aging.mirror.index.gone.count()).toBe(0);
});

function stop(isTime: boolean): void {
  if (isTime) throw new Error("stopped");
}

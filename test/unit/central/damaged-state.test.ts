import { existsSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { SAVED_REGISTRY_FILE, UNREAD_SUFFIX } from "../../../src/central/saved-registry.ts";
import { VOLUNTEERS_FILE } from "../../../src/store/volunteer-registry.ts";
import { CentralFixture, testKey, type TestVolunteer } from "../../support/central-fixture.ts";

const PATIENCE = { timeout: 20_000 };
const FULL_MIRROR = { body: { url: "http://127.0.0.1:1/one" } };

async function withMirror(): Promise<{ readonly fixture: CentralFixture; readonly volunteer: TestVolunteer }> {
  const fixture = new CentralFixture();
  fixture.write("a.iso", "i".repeat(50_000));
  await fixture.publish();
  await fixture.serve();
  const volunteer = await fixture.volunteer("one");
  await volunteer.announce(FULL_MIRROR);
  await expect.poll(() => statusOf(fixture, "/a.iso"), PATIENCE).toBe(302);
  return { fixture, volunteer };
}

async function statusOf(fixture: CentralFixture, target: string): Promise<number> {
  // Another customer each time, or central takes it for a try that failed.
  const response = await fixture.get(target, { range: `bytes=${asked++}-` });
  await response.bytes();
  return response.status;
}
let asked = 0;

test("while another program locks the list of volunteers, customers, announces and the status go on", async () => {
  const { fixture, volunteer } = await withMirror();
  {
    using other = new DatabaseSync(join(fixture.stateDirectory, VOLUNTEERS_FILE));
    other.exec("BEGIN EXCLUSIVE");
    for (let turn = 0; turn < 3; turn++) {
      expect(await statusOf(fixture, "/a.iso")).toBe(302);
      expect((await volunteer.announce(FULL_MIRROR)).status).toBe(200);
      expect((await fixture.get("/.prsync/api/v1/volunteers")).status).toBe(200);
      // Longer than the list of volunteers is believed without a look at the file.
      await new Promise((resolve) => setTimeout(resolve, 1_100));
    }
  }
});

test("while another program locks the list of volunteers, who needs a write is told to come again and stops nobody, before and after a restart", async () => {
  const { fixture, volunteer } = await withMirror();
  await fixture.program[Symbol.asyncDispose]();
  await fixture.serve();
  const token = fixture.invite("late");
  const enrol = (): Promise<Response> => fixture.enrol(token, "late", testKey("late"));
  {
    using other = new DatabaseSync(join(fixture.stateDirectory, VOLUNTEERS_FILE));
    other.exec("BEGIN EXCLUSIVE");
    const startMs = performance.now();
    const refused = await enrol();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    // Of all of them but the first no one waits: customers would wait with it.
    for (let turn = 0; turn < 20; turn++) {
      expect(await volunteer.announce(FULL_MIRROR)).toMatchObject({
        status: 503,
        json: { error: { code: "registry-busy" } },
      });
      expect(await statusOf(fixture, "/a.iso")).toBe(302);
    }
    expect(performance.now() - startMs).toBeLessThan(1_500);
  }
  await expect.poll(async () => (await enrol()).status, PATIENCE).toBe(200);
  expect((await volunteer.announce(FULL_MIRROR)).status).toBe(200);
});

test("central starts beside a program that reads the list of volunteers for long, and says that look-ups may wait", async () => {
  const { fixture, volunteer } = await withMirror();
  await fixture.program[Symbol.asyncDispose]();
  using other = new DatabaseSync(join(fixture.stateDirectory, VOLUNTEERS_FILE));
  // As an earlier version left it.
  other.exec("PRAGMA journal_mode = DELETE; BEGIN");
  other.prepare("SELECT * FROM volunteers").all();
  await fixture.serve();
  expect(fixture.logged.join()).toContain("another program reads volunteers.sqlite");
  expect(await statusOf(fixture, "/a.iso")).toBe(302);
  other.exec("ROLLBACK");
  await expect.poll(async () => (await volunteer.announce(FULL_MIRROR)).status, PATIENCE).toBe(200);
});

test("an end beside a lock that lasts loses no more than the last numbers, and says so", async () => {
  const { fixture, volunteer } = await withMirror();
  {
    using other = new DatabaseSync(join(fixture.stateDirectory, VOLUNTEERS_FILE));
    other.exec("BEGIN EXCLUSIVE");
    await fixture.program[Symbol.asyncDispose]();
  }
  expect(fixture.logged.join()).toContain("numbers of volunteers could not be saved");
  await fixture.serve();
  const stale = await volunteer.announce(FULL_MIRROR);
  expect([stale.status, stale.json.error.code]).toEqual([401, "stale-sequence"]);
  expect((await volunteer.announce({ ...FULL_MIRROR, sequence: stale.json.sequence + 1 })).status).toBe(200);
});

test("who was silent before a restart gets no customers after it until it announces", async () => {
  const { fixture, volunteer } = await withMirror();
  await fixture.program[Symbol.asyncDispose]();
  const options = { announceIntervalMs: 2_000 };
  const central = await fixture.serve(options);
  await expect.poll(() => statusOf(fixture, "/a.iso"), PATIENCE).toBe(206);
  await central[Symbol.asyncDispose]();
  await fixture.serve(options);
  expect(await statusOf(fixture, "/a.iso")).toBe(206);
  await volunteer.announce(FULL_MIRROR);
  await expect.poll(() => statusOf(fixture, "/a.iso"), PATIENCE).toBe(302);
});

test.each([
  ["cut in the middle", (path: string) => truncateSync(path, 100)],
  ["empty", (path: string) => truncateSync(path, 0)],
  ["of other bytes", (path: string) => writeFileSync(path, Buffer.alloc(5_000, 0xff))],
  ["nested 100,000 deep", (path: string) => writeFileSync(path, "[".repeat(100_000))],
  ["a directory, which can't be read", (path: string) => (rmSync(path), void mkdirSync(path))],
])("a tracker.json that is %s keeps no central from serving, and volunteers are asked anew", async (_how, damage) => {
  const { fixture, volunteer } = await withMirror();
  await fixture.program[Symbol.asyncDispose]();
  const path = join(fixture.stateDirectory, SAVED_REGISTRY_FILE);
  damage(path);
  const { ino } = statSync(path);
  await fixture.serve({ registrySaveIntervalMs: 100 });
  expect(fixture.logged.join()).toContain("mirrors that cron keeps come back at their next run");

  // Nothing is known of the mirror: central has the bytes.
  expect(await statusOf(fixture, "/a.iso")).toBe(206);
  const { status, json } = await volunteer.announce({
    body: { ...FULL_MIRROR.body, holdings: { base: 7, bundles: [] } },
  });
  expect([status, json.fullHoldingsWanted]).toEqual([200, true]);
  await volunteer.announce(FULL_MIRROR);
  await expect.poll(() => statusOf(fixture, "/a.iso"), PATIENCE).toBe(302);
  // Whoever knows what happened can still look at it.
  await expect.poll(() => existsSync(path + UNREAD_SUFFIX) && statSync(path).isFile()).toBe(true);
  expect(statSync(path + UNREAD_SUFFIX).ino).toBe(ino);
});

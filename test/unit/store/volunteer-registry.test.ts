import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { VOLUNTEERS_FILE, VolunteerRegistry } from "../../../src/store/volunteer-registry.ts";
import { volunteerIdOf } from "../../../src/trust/signing-key.ts";

const DAY_MS = 24 * 3_600_000;
const KEY = new Uint8Array(32).fill(1);
const OTHER_KEY = new Uint8Array(32).fill(2);

class Fixture {
  readonly directory: string;
  nowMs = 1_000_000;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "prsync-registry-"));
    onTestFinished(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  open(): VolunteerRegistry {
    const registry = VolunteerRegistry.open(this.directory, () => this.nowMs);
    onTestFinished(() => registry[Symbol.dispose]());
    return registry;
  }
}

test("an invited name enrols and is found by its id, in another process too", () => {
  const fixture = new Fixture();
  const registry = fixture.open();
  const { token } = registry.invite("goettingen", { site: "gwdg" });
  expect(token).toHaveLength(32);
  const enrolled = fixture.open().enrol("goettingen", KEY);
  expect(enrolled).toMatchObject({ name: "goettingen", site: "gwdg", state: "enrolled", id: volunteerIdOf(KEY) });
  expect(registry.byId(volunteerIdOf(KEY))).toEqual(enrolled);
  expect(registry.list().map((volunteer) => volunteer.name)).toEqual(["goettingen"]);
});

test("an unused ticket can be printed again, a used one needs --again", () => {
  const registry = new Fixture().open();
  const first = registry.invite("a", { site: "s" });
  expect(registry.invite("a")).toEqual(first);
  registry.enrol("a", KEY);
  expect(() => registry.invite("a")).toThrow(expect.objectContaining({ code: "already-enrolled" }));
  const again = registry.invite("a", { again: true });
  expect(again.token).not.toEqual(first.token);
  expect(again.site).toBe("s");
  expect(registry.byName("a")).toMatchObject({ state: "invited", id: undefined });
  expect(registry.revokedIds()).toEqual([volunteerIdOf(KEY)]);
  registry.enrol("a", OTHER_KEY);
  expect(registry.revokedIds()).toEqual([volunteerIdOf(KEY)]);
});

test("a key that enrols again is no longer told as revoked", () => {
  const registry = new Fixture().open();
  registry.invite("a");
  registry.enrol("a", KEY);
  registry.revoke("a");
  registry.invite("a", { again: true });
  registry.enrol("a", KEY);
  expect(registry.revokedIds()).toEqual([]);
});

test("one key belongs to one name", () => {
  const registry = new Fixture().open();
  registry.invite("a");
  registry.invite("b");
  registry.enrol("a", KEY);
  expect(() => registry.enrol("b", KEY)).toThrow(expect.objectContaining({ code: "already-enrolled" }));
  expect(registry.byName("b")?.state).toBe("invited");
});

test("revoked ids are told until their last pass has ended", () => {
  const fixture = new Fixture();
  const registry = fixture.open();
  registry.invite("a");
  registry.enrol("a", KEY);
  expect(registry.revoke("a").state).toBe("revoked");
  fixture.nowMs += 7 * DAY_MS;
  expect(registry.revokedIds()).toEqual([volunteerIdOf(KEY)]);
  fixture.nowMs += 2 * DAY_MS;
  expect(registry.revokedIds()).toEqual([]);
});

test("draining is for enrolled volunteers", () => {
  const registry = new Fixture().open();
  registry.invite("a");
  expect(() => registry.drain("a", true)).toThrow(expect.objectContaining({ code: "unknown-volunteer" }));
  expect(() => registry.revoke("b")).toThrow(expect.objectContaining({ code: "unknown-volunteer" }));
  registry.enrol("a", KEY);
  expect(registry.drain("a", true).state).toBe("draining");
  expect(registry.drain("a", false).state).toBe("enrolled");
});

test("after a crash no sequence number is accepted twice, after an orderly end none is lost", () => {
  const fixture = new Fixture();
  const id = volunteerIdOf(KEY);
  const first = fixture.open();
  first.noteSequence(id, 5_000);
  first.noteSequence(id, 5_007);
  expect(first.highestSequence(id)).toBe(5_007);
  expect(fixture.open().highestSequence(id)).toBeGreaterThanOrEqual(5_007);
  first[Symbol.dispose]();
  expect(fixture.open().highestSequence(id)).toBe(5_007);
});

test("one write serves the requests of all volunteers for minutes, and each number below the bound on disk once", () => {
  const fixture = new Fixture();
  const registry = fixture.open();
  const ids = Array.from({ length: 5 }, (_, index) => {
    registry.invite(`m${index}`);
    return registry.enrol(`m${index}`, new Uint8Array(32).fill(index + 3)).id!;
  });
  fixture.nowMs = 1_700_000_000_000;
  const watcher = new DatabaseSync(join(fixture.directory, VOLUNTEERS_FILE));
  const writes = (): number => Number(watcher.prepare("PRAGMA data_version").get()!.data_version);
  const before = writes();
  for (const id of ids) registry.noteSequence(id, fixture.nowMs);
  expect(writes()).toBe(before + 1);
  const noteLater = (minutes: number): void => {
    fixture.nowMs += minutes * 60_000;
    for (const id of ids) registry.noteSequence(id, fixture.nowMs);
  };
  noteLater(4);
  expect([registry.saveAheadIfDue(), writes()]).toEqual([false, before + 1]);
  noteLater(2);
  expect([registry.saveAheadIfDue(), registry.saveAheadIfDue(), writes()]).toEqual([true, false, before + 2]);
  noteLater(4);
  expect(writes()).toBe(before + 2);
  // As after a crash: what this process saw is not to be accepted by the next.
  const next = fixture.open();
  for (const id of ids) expect(next.highestSequence(id)).toBeGreaterThanOrEqual(fixture.nowMs);
  watcher.close();
});

test("who was written ahead of, and never came, loses no number by an orderly end", () => {
  const fixture = new Fixture();
  const registry = fixture.open();
  registry.invite("a");
  registry.enrol("a", KEY);
  registry.invite("b");
  const id = registry.enrol("b", OTHER_KEY).id!;
  registry.noteSequence(id, 77);
  registry.noteSequence(volunteerIdOf(KEY), 5_000);
  registry[Symbol.dispose]();
  const next = fixture.open();
  fixture.nowMs += 60_000;
  next.noteSequence(id, 78);
  next[Symbol.dispose]();
  expect(fixture.open().highestSequence(volunteerIdOf(KEY))).toBe(5_000);
});

test("an opening waits for a write of another program as long as ever, whatever patience is asked for afterwards", async () => {
  const fixture = new Fixture();
  fixture.open()[Symbol.dispose]();
  const path = join(fixture.directory, VOLUNTEERS_FILE);
  const script = `const { DatabaseSync } = require("node:sqlite"); const other = new DatabaseSync(process.argv[1]);
    other.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE"); console.log("locked"); setTimeout(() => other.exec("ROLLBACK"), 2_500)`;
  const locker = spawn(process.execPath, ["-e", script, path], { stdio: ["ignore", "pipe", "ignore"] });
  await once(locker.stdout, "data");
  VolunteerRegistry.open(fixture.directory, () => fixture.nowMs, 1)[Symbol.dispose]();
  await once(locker, "exit");
});

test("the largest sequence number is kept", () => {
  const fixture = new Fixture();
  fixture.open().noteSequence("x", Number.MAX_SAFE_INTEGER);
  expect(fixture.open().highestSequence("x")).toBe(Number.MAX_SAFE_INTEGER);
});

test("the file is private; one of a newer program or a damaged one is refused", () => {
  const fixture = new Fixture();
  const path = join(fixture.directory, VOLUNTEERS_FILE);
  fixture.open()[Symbol.dispose]();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const database = new DatabaseSync(path);
  database.exec("PRAGMA user_version = 99");
  database.close();
  expect(() => fixture.open()).toThrow(expect.objectContaining({ code: "index-too-new" }));
  writeFileSync(path, "x".repeat(5000));
  expect(() => fixture.open()).toThrow(expect.objectContaining({ code: "state-unsafe" }));
});

test("when a volunteer was seen last is exact while the registry is open, and kept by what is written ahead and an orderly end", () => {
  const fixture = new Fixture();
  const registry = fixture.open();
  const id = volunteerIdOf(KEY);
  registry.invite("a");
  registry.enrol("a", KEY);
  const seen = (at: VolunteerRegistry): number | undefined => at.list()[0]!.lastSeenMs;
  const note = (atMs: number): void => {
    fixture.nowMs = atMs;
    registry.noteSequence(id, atMs);
  };
  note(2_000_000);
  note(2_100_000);
  expect([seen(registry), registry.byId(id)?.lastSeenMs]).toEqual([2_100_000, 2_100_000]);
  expect(seen(fixture.open())).toBe(2_000_000);
  note(2_400_000);
  expect(registry.saveAheadIfDue()).toBe(true);
  expect(seen(fixture.open())).toBe(2_400_000);
  note(2_500_000);
  registry[Symbol.dispose]();
  expect(seen(fixture.open())).toBe(2_500_000);
});

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

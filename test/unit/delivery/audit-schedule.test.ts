import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromByteString } from "../../../src/core/repo-path.ts";
import { type AuditQuestion, AuditSchedule } from "../../../src/delivery/audit-schedule.ts";

const MINUTE = 60_000;

function question(name: string): AuditQuestion {
  const content = contentIdOf(createHash("sha256").update(name).digest());
  return { path: repoPathFromByteString(name), content, lengthBytes: 100 };
}

test("everybody is audited once per interval on average, at times that nobody knows before", () => {
  const schedule = new AuditSchedule(10 * MINUTE, seededRandom(1));
  const times = new Map<string, number[]>([
    ["a", []],
    ["b", []],
  ]);
  for (let nowMs = 0; nowMs < 1_000 * MINUTE; nowMs += 1_000) {
    for (const id of schedule.due(["a", "b"], nowMs)) {
      times.get(id)!.push(nowMs);
      schedule.notePassed(id, nowMs);
    }
  }
  for (const own of times.values()) {
    expect(own[0]).toBeLessThan(10 * MINUTE);
    expect(own.length).toBeGreaterThan(85);
    expect(own.length).toBeLessThan(115);
    const pauses = own.slice(1).map((ms, index) => ms - own[index]!);
    expect(Math.max(...pauses) - Math.min(...pauses)).toBeGreaterThan(5 * MINUTE);
  }
});

const DAY = 24 * 60 * MINUTE;
const wrong = (nowMs: number) => ({ failure: "wrong-bytes" as const, nowMs });
const missing = (nowMs: number) => ({ failure: "missing" as const, nowMs });
const unanswered = (nowMs: number) => ({ failure: "unanswered" as const, nowMs });

function scheduleOf(id: string): AuditSchedule {
  const schedule = new AuditSchedule(10 * MINUTE, seededRandom(2));
  schedule.due([id], 0);
  return schedule;
}

test("wrong bytes are looked at again soon, the second in a row counts whatever the file, a pass lifts it", () => {
  const schedule = scheduleOf("a");
  schedule.noteFailed("a", question("x.deb"), wrong(0));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  expect(schedule.isDoubtful("a")).toBe(true);
  expect(schedule.due(["a"], 10_000)).toEqual(["a"]);
  expect(schedule.failedQuestion("a")).toEqual(question("x.deb"));
  schedule.noteFailed("a", question("y.deb"), wrong(10_000));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  expect(schedule.failedQuestion("a")).toEqual(question("y.deb"));
  schedule.notePostponed("a", 20_000);
  schedule.noteFailed("a", question("z.deb"), unanswered(25_000));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  expect(schedule.failedQuestion("a")).toEqual(question("y.deb"));
  schedule.notePassed("a", 30_000);
  expect([schedule.reasonAgainst("a"), schedule.failedQuestion("a")]).toEqual([undefined, undefined]);
  expect(schedule.isDoubtful("a")).toBe(false);
});

test("wrong bytes that do not come again are no failure", () => {
  const schedule = scheduleOf("a");
  schedule.noteFailed("a", question("x.deb"), wrong(0));
  schedule.notePassed("a", 10_000);
  schedule.noteFailed("a", question("x.deb"), wrong(20_000));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
});

test("a file that is not there is looked for at another time, and counts the second time", () => {
  const schedule = scheduleOf("a");
  schedule.noteFailed("a", question("x.deb"), missing(0));
  expect(schedule.due(["a"], 4 * MINUTE)).toEqual([]);
  expect(schedule.due(["a"], 16 * MINUTE)).toEqual(["a"]);
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  schedule.noteFailed("a", question("x.deb"), missing(16 * MINUTE));
  expect(schedule.reasonAgainst("a")).toBe("no proper answer");
});

test("who does not answer is asked later, and loses its customers only after a long time", () => {
  const schedule = scheduleOf("a");
  // However often within an interval: busy for a while.
  for (const nowMs of [0, 1, 2, 3, 4, 10 * MINUTE]) schedule.noteFailed("a", question("x.deb"), unanswered(nowMs));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  expect(schedule.due(["a"], 14 * MINUTE)).toEqual([]);
  schedule.noteFailed("a", question("x.deb"), unanswered(10 * MINUTE + 1));
  expect(schedule.reasonAgainst("a")).toBe("no proper answer");
  const rare = scheduleOf("a");
  for (const turn of [0, 1, 2]) rare.noteFailed("a", question("x.deb"), unanswered(turn * 15 * MINUTE));
  expect(rare.reasonAgainst("a")).toBeUndefined();
});

test("a farewell does not clear a name, a day does", () => {
  const schedule = scheduleOf("a");
  for (const nowMs of [0, 10_000]) schedule.noteFailed("a", question("x.deb"), wrong(nowMs));
  schedule.due([], MINUTE);
  schedule.due([], DAY);
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  schedule.due([], DAY + MINUTE);
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  schedule.noteFailed("a", question("x.deb"), wrong(DAY + MINUTE));
  expect(schedule.failedQuestion("a")).toBeUndefined();
});

test("those who wait longest come first", () => {
  const schedule = new AuditSchedule(10 * MINUTE, seededRandom(5));
  const ids = Array.from({ length: 20 }, (_, index) => String(index));
  const order: string[] = [];
  for (let nowMs = 0; nowMs <= 10 * MINUTE; nowMs += 100) {
    for (const id of schedule.due(ids, nowMs)) if (!order.includes(id)) order.push(id);
  }
  expect(schedule.due(ids, 11 * MINUTE)).toEqual(order);
});

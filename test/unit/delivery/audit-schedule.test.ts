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

test("one failure is looked at again soon, the second in a row counts, only the same file lifts it", () => {
  const schedule = new AuditSchedule(10 * MINUTE, seededRandom(2));
  schedule.due(["a"], 0);
  schedule.noteFailed("a", question("x.deb"), { problem: "wrong bytes", nowMs: 0 });
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  expect(schedule.due(["a"], 10_000)).toEqual(["a"]);
  expect(schedule.failedQuestion("a")).toEqual(question("x.deb"));
  schedule.noteFailed("a", question("x.deb"), { problem: "still wrong", nowMs: 10_000 });
  expect(schedule.reasonAgainst("a")).toBe("still wrong");
  // Its release changed: another file is asked now, and fails once. That lifts nothing.
  schedule.noteFailed("a", question("y.deb"), { problem: "wrong, too", nowMs: 20_000 });
  expect(schedule.reasonAgainst("a")).toBe("still wrong");
  expect(schedule.failedQuestion("a")).toEqual(question("y.deb"));
  schedule.notePassed("a", 30_000);
  expect([schedule.reasonAgainst("a"), schedule.failedQuestion("a")]).toEqual([undefined, undefined]);
});

test("a failure that does not come again is no failure; who is gone is forgotten, also in the middle of an audit", () => {
  const schedule = new AuditSchedule(10 * MINUTE, seededRandom(3));
  schedule.due(["a"], 0);
  schedule.noteFailed("a", question("x.deb"), { problem: "timeout", nowMs: 0 });
  schedule.notePassed("a", 10_000);
  schedule.noteFailed("a", question("x.deb"), { problem: "timeout", nowMs: 20_000 });
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  schedule.due([], 30_000);
  schedule.noteFailed("a", question("x.deb"), { problem: "timeout", nowMs: 40_000 });
  expect(schedule.failedQuestion("a")).toBeUndefined();
});

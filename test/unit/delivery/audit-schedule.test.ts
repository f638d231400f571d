import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../../src/core/clock.ts";
import { contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromByteString } from "../../../src/core/repo-path.ts";
import { type AuditedFile, type AuditQuestion, drawQuestion } from "../../../src/delivery/audit-question.ts";
import { AuditSchedule } from "../../../src/delivery/audit-schedule.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const TIMES = { intervalMs: 10 * MINUTE, announcedWithinMs: 2 * MINUTE };

function question(name: string, start = 0): AuditQuestion {
  const content = contentIdOf(createHash("sha256").update(name).digest());
  return { path: repoPathFromByteString(name), content, lengthBytes: 1_000, askedAs: "rest", start, end: start + 100 };
}

test("everybody is audited once per interval on average, at times that nobody knows before", () => {
  const schedule = new AuditSchedule(TIMES, seededRandom(1));
  const times = new Map<string, number[]>([
    ["a", []],
    ["b", []],
  ]);
  for (let nowMs = 0; nowMs < 1_000 * MINUTE; nowMs += 1_000) {
    for (const id of schedule.due(["a", "b"], nowMs)) {
      times.get(id)!.push(nowMs);
      schedule.notePassed(id, question("x.deb"), nowMs);
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

const wrong = (nowMs: number) => ({ failure: "wrong-bytes" as const, nowMs });
const missing = (nowMs: number) => ({ failure: "missing" as const, nowMs });
const unanswered = (nowMs: number) => ({ failure: "unanswered" as const, nowMs });

function scheduleOf(id: string): AuditSchedule {
  const schedule = new AuditSchedule(TIMES, seededRandom(2));
  schedule.due([id], 0);
  return schedule;
}

test("wrong bytes are looked at again soon, by the very same question; wrong again counts until that one passes", () => {
  const schedule = scheduleOf("a");
  const [bad, other] = [question("x.iso", 300), question("x.iso", 400)];
  schedule.noteFailed("a", bad, wrong(0));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  expect(schedule.isDoubtful("a", bad)).toBe(true);
  expect(schedule.due(["a"], 10_000)).toEqual(["a"]);
  expect(schedule.failedQuestions("a")).toEqual([bad]);
  schedule.noteFailed("a", bad, wrong(10_000));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  schedule.notePostponed("a", 20_000);
  schedule.noteFailed("a", bad, unanswered(25_000));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  expect(schedule.failedQuestions("a")).toEqual([bad]);
  expect(schedule.isDoubtful("a", other)).toBe(true);
  schedule.notePassed("a", bad, 30_000);
  expect([schedule.reasonAgainst("a"), schedule.failedQuestions("a")]).toEqual([undefined, []]);
  expect([schedule.isDoubtful("a", bad), schedule.isDoubtful("a", other)]).toEqual([false, false]);
});

test("another range of the same file that passes, while the failed one is not claimed, leaves that one to be asked again", () => {
  const schedule = scheduleOf("a");
  const [bad, other] = [question("x.iso", 300), question("x.iso", 400)];
  schedule.noteFailed("a", bad, wrong(0));
  schedule.notePassed("a", other, 10_000);
  expect(schedule.failedQuestions("a")).toEqual([bad]);
  schedule.noteFailed("a", bad, wrong(20_000));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
});

test("who failed two questions passes both before it gets customers again", () => {
  const schedule = scheduleOf("a");
  const [first, second] = [question("x.iso", 300), question("y.iso", 400)];
  schedule.noteFailed("a", first, missing(0));
  schedule.noteFailed("a", second, wrong(1_000));
  schedule.noteFailed("a", second, wrong(11_000));
  expect(schedule.failedQuestions("a")).toEqual([second, first]);
  schedule.notePassed("a", second, 20 * MINUTE);
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  expect(schedule.due(["a"], 20 * MINUTE + 10_000)).toEqual(["a"]);
  schedule.notePassed("a", first, 20 * MINUTE + 10_000);
  expect(schedule.reasonAgainst("a")).toBeUndefined();
});

test("an accident of the network costs nothing, the next one within a week an hour, those after it more and more", () => {
  const schedule = scheduleOf("a");
  schedule.noteFailed("a", question("x.deb"), wrong(0));
  schedule.notePassed("a", question("x.deb"), 10_000);
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  const passesUntilCleared = (name: string, nowMs: number): number => {
    schedule.noteFailed("a", question(name), wrong(nowMs));
    let passes = 0;
    for (; schedule.reasonAgainst("a") !== undefined; passes++) schedule.notePassed("a", question(name), nowMs);
    return passes;
  };
  expect(["y.deb", "z.deb", "x.deb"].map((name) => passesUntilCleared(name, 2 * DAY))).toEqual([4, 16, 64]);
  expect(passesUntilCleared("y.deb", 10 * DAY)).toBe(0);
});

test("a file that is not there is looked for again once it must have been announced, and counts the second time", () => {
  const schedule = scheduleOf("a");
  schedule.noteFailed("a", question("x.deb"), missing(0));
  expect(schedule.due(["a"], 2 * MINUTE - 1)).toEqual([]);
  expect(schedule.due(["a"], 2 * MINUTE)).toEqual(["a"]);
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  schedule.noteFailed("a", question("x.deb"), missing(2 * MINUTE));
  expect(schedule.reasonAgainst("a")).toBe("no proper answer");
  schedule.notePassed("a", question("x.deb"), 20 * MINUTE);
  expect(schedule.reasonAgainst("a")).toBeUndefined();
});

test("whoever is asked between its turns keeps its next one", () => {
  const schedule = scheduleOf("a");
  const isDueBefore = (nowMs: number): boolean => schedule.due(["a"], nowMs).length > 0;
  let dueMs = 0;
  while (!isDueBefore(dueMs)) dueMs += 1_000;
  for (let nowMs = 0; nowMs < dueMs; nowMs += 1_000) schedule.notePassed("a", question("x.deb"), nowMs);
  expect(isDueBefore(dueMs)).toBe(true);
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

test("neither a farewell nor days away clear a name, a week does", () => {
  const schedule = scheduleOf("a");
  for (const nowMs of [0, 10_000]) schedule.noteFailed("a", question("x.deb"), wrong(nowMs));
  schedule.due([], MINUTE);
  schedule.due([], 7 * DAY);
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  schedule.due([], 7 * DAY + MINUTE);
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  schedule.noteFailed("a", question("x.deb"), wrong(7 * DAY + MINUTE));
  expect(schedule.failedQuestions("a")).toEqual([]);
});

test("those who wait longest come first", () => {
  const schedule = new AuditSchedule(TIMES, seededRandom(5));
  const ids = Array.from({ length: 20 }, (_, index) => String(index));
  const order: string[] = [];
  for (let nowMs = 0; nowMs <= 10 * MINUTE; nowMs += 100) {
    for (const id of schedule.due(ids, nowMs)) if (!order.includes(id)) order.push(id);
  }
  expect(schedule.due(ids, 11 * MINUTE)).toEqual(order);
});

const IMAGE: AuditedFile = {
  path: repoPathFromByteString("a.iso"),
  content: contentIdOf(createHash("sha256").update("a.iso").digest()),
  lengthBytes: 4e9,
};
const BLOCK = 64 * 1024;
/** Of the default interval. */
const LIAR_TIMES = { intervalMs: 15 * MINUTE, announcedWithinMs: 2 * MINUTE };

interface Suspension {
  /** Questions of its own until then; second looks do not count. */
  readonly audits: number;
  readonly atMs: number;
}

/** Audits in virtual time, second by second as `serve` does, of one whose answers are wrong as told; undefined: never within 60 days. */
function suspensionOf(isWrong: (question: AuditQuestion) => boolean, random: Random): Suspension | undefined {
  const schedule = new AuditSchedule(LIAR_TIMES, random);
  let audits = 0;
  for (let nowMs = 0; nowMs < 60 * DAY; nowMs += 10_000) {
    if (schedule.due(["a"], nowMs).length === 0) continue;
    const [again] = schedule.failedQuestions("a");
    if (again === undefined) audits++;
    const asked = again ?? drawQuestion(IMAGE, random);
    if (isWrong(asked)) schedule.noteFailed("a", asked, wrong(nowMs));
    else schedule.notePassed("a", asked, nowMs);
    if (schedule.reasonAgainst("a") !== undefined) return { audits, atMs: nowMs };
  }
  return undefined;
}

/** Blocks of 64 KiB that are wrong, one in so many, each always. */
function corruptBlocks(oneIn: number, seed: number): (question: AuditQuestion) => boolean {
  const isCorrupt = (block: number): boolean =>
    createHash("sha256").update(`${seed} ${block}`).digest().readUInt32BE(0) % oneIn === 0;
  return ({ start, end }) => {
    for (let block = Math.floor(start / BLOCK); block * BLOCK < end; block++) if (isCorrupt(block)) return true;
    return false;
  };
}

// Three of four questions fall anywhere, each on 1 + 87 / 64 blocks on average.
const FOUND_BY_ONE = 0.75 * (1 - 0.99 ** (1 + 87 / 64));
/** (1 - {@link FOUND_BY_ONE})^n = 0.01: 2.7 days at the default interval. */
const MOST_AUDITS = Math.ceil(Math.log(0.01) / Math.log(1 - FOUND_BY_ONE));

test(`a liar that corrupts one block in 100 loses its customers within ${MOST_AUDITS} audits, in 99 of 100 cases`, () => {
  expect(MOST_AUDITS).toBe(260);
  const seeds = Array.from({ length: 500 }, (_, seed) => seed);
  const found = seeds.map((seed) => suspensionOf(corruptBlocks(100, seed), seededRandom(seed))!);
  expect(found.filter(({ audits }) => audits <= MOST_AUDITS).length).toBeGreaterThanOrEqual(0.985 * seeds.length);
  const mean = (of: (one: Suspension) => number): number => found.reduce((sum, one) => sum + of(one), 0) / found.length;
  expect(mean(({ audits }) => audits)).toBeCloseTo(1 / FOUND_BY_ONE, -1);
  expect(mean(({ atMs }) => atMs) / DAY).toBeLessThan(0.7);
}, 30_000);

test("a liar that corrupts one answer in 100, whatever is asked, is out most of the time from its second lie on", () => {
  const random = seededRandom(7);
  const schedule = new AuditSchedule(LIAR_TIMES, random);
  let outMs = 0;
  for (let nowMs = 0; nowMs < 60 * DAY; nowMs += 10_000) {
    if (schedule.reasonAgainst("a") !== undefined) outMs += 10_000;
    if (schedule.due(["a"], nowMs).length === 0) continue;
    const asked = schedule.failedQuestions("a")[0] ?? drawQuestion(IMAGE, random);
    if (random() < 0.01) schedule.noteFailed("a", asked, wrong(nowMs));
    else schedule.notePassed("a", asked, nowMs);
  }
  expect(outMs).toBeGreaterThan(45 * DAY);
}, 30_000);

test("one bad block of an image of 4 GB is met at last, and what was met is never forgiven for another range", () => {
  const random = seededRandom(3);
  const schedule = new AuditSchedule(LIAR_TIMES, random);
  const isWrong = ({ start, end }: AuditQuestion): boolean => start <= 2e9 && end > 2e9;
  const bad = { ...drawQuestion(IMAGE, random), askedAs: "rest" as const, start: 2e9 - 100, end: 2e9 + 100_000 };
  schedule.due(["a"], 0);
  schedule.noteFailed("a", bad, wrong(0));
  for (let nowMs = 10_000; nowMs < 10 * DAY; nowMs += 10_000) {
    if (schedule.due(["a"], nowMs).length === 0) continue;
    const asked = schedule.failedQuestions("a")[0] ?? drawQuestion(IMAGE, random);
    if (isWrong(asked)) schedule.noteFailed("a", asked, wrong(nowMs));
    else schedule.notePassed("a", asked, nowMs);
  }
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
});

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

/** Answered at once, by a volunteer that tells this release. */
const at = (nowMs: number, release = 1) => ({ askedMs: nowMs, nowMs, release });
const wrong = (nowMs: number) => ({ failure: "wrong-bytes" as const, ...at(nowMs) });
const missing = (nowMs: number, release = 1) => ({ failure: "missing" as const, ...at(nowMs, release) });
const unanswered = (nowMs: number) => ({ failure: "unanswered" as const, ...at(nowMs) });

test("everybody is audited once per interval on average, at times that nobody knows before", () => {
  const schedule = new AuditSchedule(TIMES, seededRandom(1));
  const times = new Map<string, number[]>([
    ["a", []],
    ["b", []],
  ]);
  for (let nowMs = 0; nowMs < 1_000 * MINUTE; nowMs += 1_000) {
    for (const id of schedule.due(["a", "b"], nowMs)) {
      times.get(id)!.push(nowMs);
      schedule.notePassed(id, question("x.deb"), at(nowMs));
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

function scheduleOf(id: string): AuditSchedule {
  const schedule = new AuditSchedule(TIMES, seededRandom(2));
  schedule.due([id], 0);
  return schedule;
}

/** When its own turn comes. */
function nextTurn(schedule: AuditSchedule, nowMs: number): number {
  let turnMs = nowMs;
  while (!schedule.isTurn("a", turnMs)) turnMs += 1_000;
  return turnMs;
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
  schedule.notePostponed("a", at(20_000));
  schedule.noteFailed("a", bad, unanswered(25_000));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  expect(schedule.failedQuestions("a")).toEqual([bad]);
  schedule.notePassed("a", bad, at(30_000));
  expect([schedule.reasonAgainst("a"), schedule.failedQuestions("a")]).toEqual([undefined, []]);
  expect([schedule.isDoubtful("a", bad), schedule.isDoubtful("a", other)]).toEqual([false, false]);
});

test("another range of the same file that passes, while the failed one is not claimed, leaves that one to be asked again", () => {
  const schedule = scheduleOf("a");
  const [bad, other] = [question("x.iso", 300), question("x.iso", 400)];
  schedule.noteFailed("a", bad, wrong(0));
  schedule.notePassed("a", other, at(10_000));
  expect(schedule.failedQuestions("a")).toEqual([bad]);
  // Not a second later and every second, but with its next turn.
  expect(schedule.due(["a"], 11_000)).toEqual([]);
  const nowMs = nextTurn(schedule, 11_000);
  expect(schedule.ripeQuestions("a", nowMs)).toEqual([bad]);
  schedule.noteFailed("a", bad, wrong(nowMs));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
});

test("who failed two questions passes both before it gets customers again", () => {
  const schedule = scheduleOf("a");
  const [first, second] = [question("x.iso", 300), question("y.iso", 400)];
  schedule.noteFailed("a", first, missing(0));
  schedule.noteFailed("a", second, wrong(1_000));
  schedule.noteFailed("a", second, wrong(11_000));
  expect(schedule.failedQuestions("a")).toEqual([second, first]);
  schedule.notePassed("a", second, at(20 * MINUTE));
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
  expect(schedule.due(["a"], 20 * MINUTE + 10_000)).toEqual(["a"]);
  schedule.notePassed("a", first, at(20 * MINUTE + 10_000));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
});

test("an accident of the network costs nothing, the next one within a week an hour, those after it more and more", () => {
  const schedule = scheduleOf("a");
  schedule.noteFailed("a", question("x.deb"), wrong(0));
  schedule.notePassed("a", question("x.deb"), at(10_000));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  const passesUntilCleared = (name: string, nowMs: number): number => {
    schedule.noteFailed("a", question(name), wrong(nowMs));
    let passes = 0;
    for (; schedule.reasonAgainst("a") !== undefined; passes++) schedule.notePassed("a", question(name), at(nowMs));
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
  schedule.notePassed("a", question("x.deb"), at(20 * MINUTE));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
});

test("who is asked between its turns keeps its next one, whatever it answers", () => {
  const schedule = scheduleOf("a");
  const turnMs = nextTurn(schedule, 0);
  const x = question("x.deb");
  schedule.noteFailed("a", x, unanswered(1_000));
  schedule.noteFailed("a", x, missing(2_000));
  schedule.noteFailed("a", x, missing(2_000 + 2 * MINUTE));
  schedule.notePassed("a", x, at(turnMs - 3_000));
  schedule.notePostponed("a", at(turnMs - 2_000));
  // Asked before its turn, and answered long after it.
  schedule.notePassed("a", x, { askedMs: turnMs - 1_000, nowMs: turnMs + MINUTE, release: 1 });
  schedule.noteFailed("a", x, { ...unanswered(turnMs + MINUTE), askedMs: turnMs - 1_000 });
  expect(schedule.isTurn("a", turnMs)).toBe(true);
});

test("what failed is not asked, and does not count, before its time", () => {
  const schedule = scheduleOf("a");
  const [x, y] = [question("x.deb"), question("y.deb")];
  schedule.noteFailed("a", x, missing(0));
  schedule.noteFailed("a", y, wrong(0));
  expect(schedule.ripeQuestions("a", 9_999)).toEqual([]);
  expect(schedule.ripeQuestions("a", 10_000)).toEqual([y]);
  schedule.noteFailed("a", x, missing(2 * MINUTE - 1));
  expect(schedule.reasonAgainst("a")).toBeUndefined();
  schedule.noteFailed("a", x, missing(2 * MINUTE));
  expect(schedule.reasonAgainst("a")).toBe("no proper answer");
});

test("who does not answer on its turns is asked later, and loses its customers only after a long time", () => {
  const schedule = scheduleOf("a");
  let nowMs = 0;
  for (let turn = 0; turn < 3; turn++) {
    nowMs = nextTurn(schedule, nowMs);
    schedule.noteFailed("a", question("x.deb"), unanswered(nowMs));
    // However often between its turns: customers can bring that about while it is busy.
    for (const ms of [1, 2, 3]) schedule.noteFailed("a", question("y.deb"), unanswered(nowMs + ms));
  }
  expect([schedule.isLastChance("a"), schedule.reasonAgainst("a")]).toEqual([true, undefined]);
  expect(schedule.due(["a"], nowMs + 4 * MINUTE)).toEqual([]);
  schedule.noteFailed("a", question("x.deb"), unanswered(nextTurn(schedule, nowMs)));
  expect(schedule.reasonAgainst("a")).toBe("no proper answer");
});

test("who claims no more what it failed, gets customers, claims it again and fails again is out for longer each time", () => {
  const schedule = scheduleOf("a");
  const [bad, other] = [question("x.iso", 300), question("x.iso", 400)];
  schedule.noteFailed("a", bad, wrong(0));
  const passesUntilCleared = (nowMs: number): number => {
    schedule.noteFailed("a", bad, wrong(nowMs));
    let passes = 0;
    for (; schedule.reasonAgainst("a") !== undefined; passes++) schedule.notePassed("a", other, at(nowMs + 1));
    return passes;
  };
  expect([1, 2, 3, 4].map((hour) => passesUntilCleared(hour * 60 * MINUTE))).toEqual([1, 4, 16, 64]);
});

/** Share of 60 days without customers, and how often it was not there, of one that has nothing at each first look and all at the second. */
function shareOut(releaseAt: (look: "first" | "second", nowMs: number) => number): number {
  const random = seededRandom(4);
  const schedule = new AuditSchedule(LIAR_TIMES, random);
  let outMs = 0;
  for (let nowMs = 0; nowMs < 60 * DAY; nowMs += 10_000) {
    if (schedule.reasonAgainst("a") !== undefined) outMs += 10_000;
    if (schedule.due(["a"], nowMs).length === 0) continue;
    const [again] = schedule.ripeQuestions("a", nowMs);
    if (again === undefined)
      schedule.noteFailed("a", drawQuestion(IMAGE, random), missing(nowMs, releaseAt("first", nowMs)));
    else schedule.notePassed("a", again, at(nowMs, releaseAt("second", nowMs)));
  }
  return outMs / (60 * DAY);
}

test("who has nothing at each first look is out nearly always; who told a newer release at the second is not", () => {
  expect(shareOut(() => 1)).toBeGreaterThan(0.9);
  // Nor does going back help.
  expect(shareOut((look) => (look === "first" ? 2 : 1))).toBeGreaterThan(0.9);
  const release = (nowMs: number): number => Math.floor(nowMs / (30 * MINUTE));
  expect(shareOut((look, nowMs) => (look === "first" ? release(nowMs) - 1 : release(nowMs)))).toBe(0);
});

test("a file that was missing for a moment is forgiven three times a week, and a strike the fourth time", () => {
  const schedule = scheduleOf("a");
  const miss = (nowMs: number): string | undefined => {
    schedule.noteFailed("a", question("x.deb"), missing(nowMs));
    schedule.notePassed("a", question("x.deb"), at(nowMs + 2 * MINUTE));
    return schedule.reasonAgainst("a");
  };
  expect([1, 3, 5, 9, 11, 13].map((day) => miss(day * DAY))).toEqual(Array(6).fill(undefined));
  expect([13.1, 13.2].map((day) => miss(day * DAY))).toEqual([undefined, "no proper answer"]);
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
    const [again] = schedule.ripeQuestions("a", nowMs);
    if (again === undefined) audits++;
    const asked = again ?? drawQuestion(IMAGE, random);
    if (isWrong(asked)) schedule.noteFailed("a", asked, wrong(nowMs));
    else schedule.notePassed("a", asked, at(nowMs));
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

test("a liar that corrupts one block in 100 loses its customers within 260 audits, in 99 of 100 cases", () => {
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
    const asked = schedule.ripeQuestions("a", nowMs)[0] ?? drawQuestion(IMAGE, random);
    if (random() < 0.01) schedule.noteFailed("a", asked, wrong(nowMs));
    else schedule.notePassed("a", asked, at(nowMs));
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
    const asked = schedule.ripeQuestions("a", nowMs)[0] ?? drawQuestion(IMAGE, random);
    if (isWrong(asked)) schedule.noteFailed("a", asked, wrong(nowMs));
    else schedule.notePassed("a", asked, at(nowMs));
  }
  expect(schedule.reasonAgainst("a")).toBe("wrong bytes");
});

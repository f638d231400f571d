import type { Random } from "../core/clock.ts";
import { type AuditQuestion, isSameQuestion } from "./audit-question.ts";

/** What came of an audit: other bytes, nothing there for what it says it has, or anything else that is no proper answer. */
export type AuditFailure = "wrong-bytes" | "missing" | "unanswered";

/** All that is told of a failure: what exactly a server answered is nobody's business but the operator's. */
export type AuditReason = "wrong bytes" | "no proper answer";

export interface AuditTimes {
  /** Mean time between two audits of a volunteer. */
  readonly intervalMs: number;
  /** Within this a volunteer that lacks something has announced it, or is silent. */
  readonly announcedWithinMs: number;
}

interface Audited {
  readonly dueMs: number;
  /** Last time it could be asked. */
  readonly namedMs: number;
  /** What it answered wrong, or had not: only the very same question passing takes one away. */
  readonly failed: readonly AuditQuestion[];
  /** Wrong answers in a week, those not counted that came again. */
  readonly strikes: number;
  /** Of the last of them. */
  readonly strikeMs: number;
  /** Passes until it gets customers again. */
  readonly passesNeeded: number;
  /** In a row. */
  readonly unanswered: number;
  /** Of the first of them. */
  readonly unansweredSinceMs: number;
  readonly reason: AuditReason | undefined;
}

const CLEAN = {
  failed: [],
  strikes: 0,
  strikeMs: -Infinity,
  passesNeeded: 0,
  unanswered: 0,
  unansweredSinceMs: 0,
  reason: undefined,
};

/** After wrong bytes: long enough for a release that is being put in place to be announced, short for customers. */
const SECOND_LOOK_MS = 10_000;
/** Wrong once may be an accident of the network, or a disk that was mended since. */
const ACCIDENTS = 1;
/** Strikes are forgotten after a week without one. */
const STRIKES_KEPT_MS = 7 * 24 * 3_600_000;
/** Busy, restarted or cut off for a while: customers try elsewhere, and it comes back. */
const MOST_UNANSWERED = 3;
/** As long as strikes: neither a farewell nor a weekend away clears a name. */
const REMEMBERED_MS = STRIKES_KEPT_MS;
/** Whoever fails more than these questions gets no customers anyway, and has to pass them all. */
const MOST_FAILED = 16;
const MOST_PASSES = 256;

/**
 * When which volunteer is asked to prove that it has what it says, and what came of it. A wrong answer is looked at again: the very same
 * question, because whoever has one bad sector, or lies about one range in a hundred, passes nearly any other. Wrong again takes the customers
 * away until that question passes. A wrong answer that did not come again is forgiven once a week: the next one, to whatever question,
 * takes the customers away at once, and each further strike asks for four times as many passes in a row. A volunteer that does not answer is asked
 * later, and gets no customers only if that goes on for more than an interval. Pure; one entry per volunteer.
 */
export class AuditSchedule {
  readonly #times: AuditTimes;
  readonly #random: Random;
  readonly #audited = new Map<string, Audited>();

  constructor(times: AuditTimes, random: Random) {
    this.#times = times;
    this.#random = random;
  }

  /** Which of these are to be asked now, the longest due first. Those not named for a week are forgotten; new ones come within one interval. */
  due(ids: readonly string[], nowMs: number): readonly string[] {
    for (const id of ids) {
      const known = this.#audited.get(id) ?? { ...CLEAN, dueMs: nowMs + this.#random() * this.#times.intervalMs };
      this.#audited.set(id, { ...known, namedMs: nowMs });
    }
    for (const [id, { namedMs }] of this.#audited) if (nowMs - namedMs > REMEMBERED_MS) this.#audited.delete(id);
    const dueMs = (id: string): number => this.#audited.get(id)!.dueMs;
    return ids.filter((id) => dueMs(id) <= nowMs).sort((a, b) => dueMs(a) - dueMs(b));
  }

  /** What it must be asked again, the first of them that it still claims to have; none: anything. */
  failedQuestions(id: string): readonly AuditQuestion[] {
    return this.#audited.get(id)?.failed ?? [];
  }

  /** Did it fail this question, or not answer the last one? */
  isDoubtful(id: string, question: AuditQuestion): boolean {
    const { failed = [], unanswered = 0 } = this.#audited.get(id) ?? {};
    return unanswered > 0 || isAmong(failed, question);
  }

  /** While no customers are to be sent there. */
  reasonAgainst(id: string): AuditReason | undefined {
    return this.#audited.get(id)?.reason;
  }

  /**
   * It gave what it was asked. A question that it never failed is asked only if it claims none of those that it failed: then nobody is
   * sent there for them.
   */
  notePassed(id: string, question: AuditQuestion, nowMs: number): void {
    const before = this.#audited.get(id);
    if (before === undefined) return;
    const failed = before.failed.filter((other) => !isSameQuestion(other, question));
    const isMended = failed.length < before.failed.length;
    const isMore = isMended && failed.length > 0;
    const passesNeeded = Math.max(0, before.passesNeeded - 1);
    const isCleared = passesNeeded === 0 && !isMore;
    const dueMs = isMore ? this.#soon(nowMs) : this.#laterUnlessSet(before, nowMs);
    const reason = isCleared ? undefined : before.reason;
    this.#note(id, { failed, passesNeeded, unanswered: 0, reason, dueMs });
  }

  /** There was nothing to ask it about, or nothing to compare with. */
  notePostponed(id: string, nowMs: number): void {
    const before = this.#audited.get(id);
    if (before !== undefined) this.#note(id, { dueMs: this.#laterUnlessSet(before, nowMs) });
  }

  noteFailed(
    id: string,
    question: AuditQuestion,
    { failure, nowMs }: { readonly failure: AuditFailure; readonly nowMs: number },
  ): void {
    const before = this.#audited.get(id);
    if (before === undefined) return;
    const isAgain = isAmong(before.failed, question);
    const failed = isAgain ? before.failed : [question, ...before.failed].slice(0, MOST_FAILED);
    switch (failure) {
      case "wrong-bytes": {
        const { strikes, strikeMs } = isAgain && before.strikes > 0 ? before : struckAgain(before, nowMs);
        const known = { failed, strikes, strikeMs };
        if (!isAgain && strikes <= ACCIDENTS) this.#note(id, { ...known, dueMs: this.#soon(nowMs) });
        else this.#suspend(id, "wrong bytes", { known, nowMs });
        break;
      }
      case "missing": {
        // Who lacks something may not have announced it yet.
        const dueMs = nowMs + Math.min(this.#times.announcedWithinMs, this.#times.intervalMs);
        if (!isAgain) this.#note(id, { failed, dueMs });
        else if (before.reason !== undefined) this.#note(id, { dueMs: this.#later(nowMs) });
        else this.#suspend(id, "no proper answer", { known: struckAgain(before, nowMs), nowMs });
        break;
      }
      case "unanswered": {
        const unanswered = before.unanswered + 1;
        const unansweredSinceMs = before.unanswered === 0 ? nowMs : before.unansweredSinceMs;
        const isCounted = unanswered > MOST_UNANSWERED && nowMs - unansweredSinceMs > this.#times.intervalMs;
        const reason = isCounted ? (before.reason ?? "no proper answer") : before.reason;
        this.#note(id, { unanswered, unansweredSinceMs, reason, dueMs: this.#later(nowMs) });
      }
    }
  }

  #suspend(
    id: string,
    reason: AuditReason,
    { known, nowMs }: { readonly known: Struck & Partial<Audited>; readonly nowMs: number },
  ): void {
    this.#note(id, { ...known, reason, passesNeeded: passesAfter(known.strikes), dueMs: this.#later(nowMs) });
  }

  #note(id: string, change: Partial<Audited>): void {
    const before = this.#audited.get(id);
    if (before !== undefined) this.#audited.set(id, { ...before, ...change });
  }

  #soon(nowMs: number): number {
    return nowMs + Math.min(SECOND_LOOK_MS, this.#times.intervalMs);
  }

  /** Who is asked between its turns, because of what customers met, keeps its next one: else customers could put it off. */
  #laterUnlessSet({ dueMs }: Audited, nowMs: number): number {
    return dueMs > nowMs ? dueMs : this.#later(nowMs);
  }

  /** Nobody can tell when: between half and one and a half intervals. */
  #later(nowMs: number): number {
    return nowMs + this.#times.intervalMs * (0.5 + this.#random());
  }
}

type Struck = Pick<Audited, "strikes" | "strikeMs">;

function struckAgain({ strikes, strikeMs }: Struck, nowMs: number): Struck {
  return { strikes: nowMs - strikeMs > STRIKES_KEPT_MS ? 1 : strikes + 1, strikeMs: nowMs };
}

/** 1, 4, 16, 64, 256: who is wrong again and again is out nearly always. */
function passesAfter(strikes: number): number {
  return Math.min(MOST_PASSES, 4 ** (strikes - 1));
}

function isAmong(questions: readonly AuditQuestion[], question: AuditQuestion): boolean {
  return questions.some((other) => isSameQuestion(other, question));
}

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

/** Of one audit. */
export interface AuditMoment {
  /** When it was asked: an answer that takes long makes no other turn of it. */
  readonly askedMs: number;
  readonly nowMs: number;
  /** That the volunteer told when it was asked. */
  readonly release: number;
}

/** What it answered wrong, or had not: only the very same question passing takes it away. */
interface Failed {
  readonly question: AuditQuestion;
  /** Not before. */
  readonly againMs: number;
  /** Counted already, so the second look at it counts no more. */
  readonly isStruck: boolean;
  /** The release at which it had nothing there; undefined: it had other bytes. */
  readonly missedAt: number | undefined;
}

interface Audited {
  /** Its own turn: neither customers nor its answers to other questions put that off. */
  readonly dueMs: number;
  /** Last time it could be asked. */
  readonly namedMs: number;
  readonly failed: readonly Failed[];
  /** Wrong answers in a week, those not counted that came again. */
  readonly strikes: number;
  /** Of the last of them. */
  readonly strikeMs: number;
  /** When it had nothing there once and then had it, though it told no newer release; the last few. */
  readonly missesMs: readonly number[];
  /** Passes until it gets customers again. */
  readonly passesNeeded: number;
  /** Turns in a row. */
  readonly unanswered: number;
  /** Of the first of them. */
  readonly unansweredSinceMs: number;
  readonly reason: AuditReason | undefined;
}

const CLEAN = {
  failed: [],
  strikes: 0,
  strikeMs: -Infinity,
  missesMs: [],
  passesNeeded: 0,
  unanswered: 0,
  unansweredSinceMs: 0,
  reason: undefined,
};

/** After wrong bytes: long enough for a release that is being put in place to be announced, short for customers. */
const SECOND_LOOK_MS = 10_000;
/** Wrong once may be an accident of the network, or a disk that was mended since. */
const ACCIDENTS = 1;
/** A file that is put back, or a disk that was mounted late, was missing for a moment; the fourth within a week is no accident. */
const MISSES = 3;
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
 * away until that question passes. A wrong answer that did not come again is forgiven once a week, a file that was missing once three times: the
 * next one, to whatever question, takes the customers away at once, and each further strike asks for four times as many passes in a row. A volunteer
 * that does not answer is asked later, and gets no customers only if that goes on for more than an interval. Pure; one entry per volunteer.
 */
export class AuditSchedule {
  readonly #times: AuditTimes;
  readonly #random: Random;
  readonly #audited = new Map<string, Audited>();

  constructor(times: AuditTimes, random: Random) {
    this.#times = times;
    this.#random = random;
  }

  /**
   * Which of these are to be asked now, the longest due first: their own turn, or a second look. Those not named for a week are forgotten; new
   * ones come within one interval.
   */
  due(ids: readonly string[], nowMs: number): readonly string[] {
    for (const id of ids) {
      const known = this.#audited.get(id) ?? { ...CLEAN, dueMs: nowMs + this.#random() * this.#times.intervalMs };
      this.#audited.set(id, { ...known, namedMs: nowMs });
    }
    for (const [id, { namedMs }] of this.#audited) if (nowMs - namedMs > REMEMBERED_MS) this.#audited.delete(id);
    const nextMs = (id: string): number => nextOf(this.#audited.get(id)!);
    return ids.filter((id) => nextMs(id) <= nowMs).sort((a, b) => nextMs(a) - nextMs(b));
  }

  /** Is it its own turn, not only a second look? */
  isTurn(id: string, nowMs: number): boolean {
    return (this.#audited.get(id)?.dueMs ?? Infinity) <= nowMs;
  }

  /** What it failed and did not pass since. While it claims one of them, only they are to be asked, or nothing. */
  failedQuestions(id: string): readonly AuditQuestion[] {
    return this.#audited.get(id)?.failed.map(({ question }) => question) ?? [];
  }

  /** Those of them whose time has come, the first of them that it still claims to have first. */
  ripeQuestions(id: string, nowMs: number): readonly AuditQuestion[] {
    const failed = this.#audited.get(id)?.failed ?? [];
    return failed.flatMap(({ question, againMs }) => (againMs <= nowMs ? [question] : []));
  }

  /** Did it fail this question, or not answer the last one? */
  isDoubtful(id: string, question: AuditQuestion): boolean {
    const { failed = [], unanswered = 0 } = this.#audited.get(id) ?? {};
    return unanswered > 0 || find(failed, question) !== undefined;
  }

  /** Would one more turn without an answer, after so long, take the customers away? */
  isLastChance(id: string): boolean {
    return (this.#audited.get(id)?.unanswered ?? 0) >= MOST_UNANSWERED;
  }

  /** While no customers are to be sent there. */
  reasonAgainst(id: string): AuditReason | undefined {
    return this.#audited.get(id)?.reason;
  }

  /**
   * It gave what it was asked. Of one that gets no customers a question that it never failed is asked only if it claims none of those that it
   * failed: then nobody is sent there for them. They count anew when it claims them again.
   */
  notePassed(id: string, question: AuditQuestion, moment: AuditMoment): void {
    const before = this.#audited.get(id);
    if (before === undefined) return;
    const { askedMs, nowMs } = moment;
    const passed = find(before.failed, question);
    const others = before.failed.filter((other) => other !== passed);
    const isMore = passed !== undefined && others.length > 0;
    const dueMs = this.#turnAfter(before, moment);
    const failed = putOff(others, { askedMs, againMs: isMore ? this.#soon(nowMs) : dueMs });
    const missesMs = wasMissing(passed, moment) ? [...before.missesMs, nowMs].slice(-MISSES - 1) : before.missesMs;
    const known = { failed, missesMs, unanswered: 0, dueMs };
    if (missesMs !== before.missesMs && missesMs.filter((ms) => nowMs - ms <= STRIKES_KEPT_MS).length > MISSES) {
      const struck = struckAgain(before, nowMs);
      if (struck.strikes > ACCIDENTS)
        return this.#suspend(id, before.reason ?? "no proper answer", { ...known, ...struck });
      return this.#note(id, { ...known, ...struck });
    }
    const passesNeeded = Math.max(0, before.passesNeeded - 1);
    const isCleared = before.reason !== undefined && passesNeeded === 0 && !isMore;
    if (!isCleared) return this.#note(id, { ...known, passesNeeded });
    const anew = failed.map((other) => ({ ...other, isStruck: false }));
    this.#note(id, { ...known, failed: anew, passesNeeded, reason: undefined });
  }

  /** There was nothing to ask it about, or nothing to compare with. */
  notePostponed(id: string, moment: AuditMoment): void {
    const before = this.#audited.get(id);
    if (before === undefined) return;
    const dueMs = this.#turnAfter(before, moment);
    this.#note(id, { dueMs, failed: putOff(before.failed, { askedMs: moment.askedMs, againMs: dueMs }) });
  }

  noteFailed(id: string, question: AuditQuestion, moment: AuditMoment & { readonly failure: AuditFailure }): void {
    const before = this.#audited.get(id);
    if (before === undefined) return;
    if (moment.failure === "unanswered") return this.#noteUnanswered(id, moment);
    const again = find(before.failed, question);
    // Drawn by chance before its time: whoever lacks it may not have told yet.
    if (again !== undefined && moment.askedMs < again.againMs) return this.notePostponed(id, moment);
    const { askedMs, nowMs, release, failure } = moment;
    const dueMs = this.#turnAfter(before, moment);
    const others = putOff(
      before.failed.filter((other) => other !== again),
      { askedMs, againMs: dueMs },
    );
    const failed = (one: Omit<Failed, "question">): Pick<Audited, "failed" | "dueMs"> => ({
      dueMs,
      failed: [{ question: again?.question ?? question, ...one }, ...others].slice(0, MOST_FAILED),
    });
    if (again === undefined && failure === "missing") {
      // Who lacks something may not have announced it yet.
      const againMs = nowMs + Math.min(this.#times.announcedWithinMs, this.#times.intervalMs);
      return this.#note(id, failed({ againMs, isStruck: false, missedAt: release }));
    }
    const struck = again?.isStruck === true ? before : struckAgain(before, nowMs);
    const { strikes, strikeMs } = struck;
    const wrong = { isStruck: true, missedAt: undefined };
    if (again === undefined && strikes <= ACCIDENTS)
      return this.#note(id, { ...failed({ againMs: this.#soon(nowMs), ...wrong }), strikes, strikeMs });
    const reason = failure === "missing" ? "no proper answer" : "wrong bytes";
    this.#suspend(id, before.reason ?? reason, { ...failed({ againMs: dueMs, ...wrong }), strikes, strikeMs });
  }

  /** Counted on its own turns: customers could provoke any number of questions while it is busy with them. */
  #noteUnanswered(id: string, moment: AuditMoment): void {
    const before = this.#audited.get(id);
    if (before === undefined) return;
    this.notePostponed(id, moment);
    if (before.dueMs > moment.askedMs) return;
    const { nowMs } = moment;
    const unanswered = before.unanswered + 1;
    const unansweredSinceMs = before.unanswered === 0 ? nowMs : before.unansweredSinceMs;
    const isCounted = unanswered > MOST_UNANSWERED && nowMs - unansweredSinceMs > this.#times.intervalMs;
    const reason = isCounted ? (before.reason ?? "no proper answer") : before.reason;
    this.#note(id, { unanswered, unansweredSinceMs, reason });
  }

  #suspend(id: string, reason: AuditReason, known: Struck & Partial<Audited>): void {
    this.#note(id, { ...known, reason, passesNeeded: passesAfter(known.strikes) });
  }

  #note(id: string, change: Partial<Audited>): void {
    const before = this.#audited.get(id);
    if (before !== undefined) this.#audited.set(id, { ...before, ...change });
  }

  #soon(nowMs: number): number {
    return nowMs + Math.min(SECOND_LOOK_MS, this.#times.intervalMs);
  }

  /** Its next own turn, which nobody can tell: between half and one and a half intervals after the last one. Who was asked before that keeps it. */
  #turnAfter({ dueMs }: Audited, { askedMs, nowMs }: AuditMoment): number {
    return dueMs > askedMs ? dueMs : nowMs + this.#times.intervalMs * (0.5 + this.#random());
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

function nextOf({ dueMs, failed }: Audited): number {
  return failed.reduce((firstMs, { againMs }) => Math.min(firstMs, againMs), dueMs);
}

/** Those whose time has come and that were not asked, because the volunteer does not claim them now or another one was first. */
function putOff(
  failed: readonly Failed[],
  { askedMs, againMs }: { readonly askedMs: number; readonly againMs: number },
): readonly Failed[] {
  return failed.map((one) => (one.againMs <= askedMs ? { ...one, againMs } : one));
}

/** Once, and not because it put another release in place meanwhile. */
function wasMissing(passed: Failed | undefined, { release }: AuditMoment): boolean {
  return passed?.missedAt !== undefined && release <= passed.missedAt;
}

function find(failed: readonly Failed[], question: AuditQuestion): Failed | undefined {
  return failed.find((other) => isSameQuestion(other.question, question));
}

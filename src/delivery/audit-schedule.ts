import type { Random } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";

/** A range of a file that a volunteer says it has. */
export interface AuditQuestion {
  readonly path: RepoPath;
  readonly content: ContentId;
  readonly lengthBytes: number;
}

/** What came of an audit: other bytes, a 404 for what it says it has, or anything else that is no proper answer. */
export type AuditFailure = "wrong-bytes" | "missing" | "unanswered";

/** All that is told of a failure: what exactly a server answered is nobody's business but the operator's. */
export type AuditReason = "wrong bytes" | "no proper answer";

interface Audited {
  readonly dueMs: number;
  /** Last time it could be asked. */
  readonly namedMs: number;
  /** What it was asked when its answer was wrong: asked again until it passes, or does not claim it any more. */
  readonly failed: AuditQuestion | undefined;
  /** In a row, `unanswered` between them or not. */
  readonly wrongBytes: number;
  readonly missing: number;
  readonly unanswered: number;
  /** Of the first of them. */
  readonly unansweredSinceMs: number;
  readonly reason: AuditReason | undefined;
}

const CLEAN = { failed: undefined, wrongBytes: 0, missing: 0, unanswered: 0, unansweredSinceMs: 0, reason: undefined };

/** After wrong bytes: long enough for a release that is being put in place to be announced, short for customers. */
const SECOND_LOOK_MS = 10_000;
/** Wrong bytes or nothing there: the first time may be an accident. */
const MOST_WRONG = 1;
/** Busy, restarted or cut off for a while: customers try elsewhere, and it comes back. */
const MOST_UNANSWERED = 3;
/** Longer than a program is away for a restart: a farewell must not clear a name. */
const REMEMBERED_MS = 24 * 3_600_000;

/**
 * When which volunteer is asked to prove that it has what it says, and what came of it. Wrong bytes count once they came twice in a row, of
 * whatever files; they are forgiven when the very file passes: other files of a rotten disk may well be sound. A volunteer that does not
 * answer is asked later, and gets no customers only if that goes on for more than an interval. Pure; one entry per volunteer.
 */
export class AuditSchedule {
  readonly #intervalMs: number;
  readonly #random: Random;
  readonly #audited = new Map<string, Audited>();

  /** @param intervalMs mean time between two audits of a volunteer */
  constructor(intervalMs: number, random: Random) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  /** Which of these are to be asked now, the longest due first. Those not named for a day are forgotten; new ones come within one interval. */
  due(ids: readonly string[], nowMs: number): readonly string[] {
    for (const id of ids) {
      const known = this.#audited.get(id) ?? { ...CLEAN, dueMs: nowMs + this.#random() * this.#intervalMs };
      this.#audited.set(id, { ...known, namedMs: nowMs });
    }
    for (const [id, { namedMs }] of this.#audited) if (nowMs - namedMs > REMEMBERED_MS) this.#audited.delete(id);
    const dueMs = (id: string): number => this.#audited.get(id)!.dueMs;
    return ids.filter((id) => dueMs(id) <= nowMs).sort((a, b) => dueMs(a) - dueMs(b));
  }

  /** What it must be asked again; undefined: anything. */
  failedQuestion(id: string): AuditQuestion | undefined {
    return this.#audited.get(id)?.failed;
  }

  /** Did it fail since it passed last? */
  isDoubtful(id: string): boolean {
    const { wrongBytes = 0, missing = 0, unanswered = 0 } = this.#audited.get(id) ?? {};
    return wrongBytes + missing + unanswered > 0;
  }

  /** While no customers are to be sent there. */
  reasonAgainst(id: string): AuditReason | undefined {
    return this.#audited.get(id)?.reason;
  }

  /** It gave what it was asked. */
  notePassed(id: string, nowMs: number): void {
    this.#note(id, { ...CLEAN, dueMs: this.#later(nowMs) });
  }

  /** There was nothing to ask it about, or nothing to compare with. */
  notePostponed(id: string, nowMs: number): void {
    this.#note(id, { dueMs: this.#later(nowMs) });
  }

  noteFailed(
    id: string,
    question: AuditQuestion,
    { failure, nowMs }: { readonly failure: AuditFailure; readonly nowMs: number },
  ): void {
    const before = this.#audited.get(id);
    if (before === undefined) return;
    const dueMs = this.#later(nowMs);
    switch (failure) {
      case "wrong-bytes": {
        const wrongBytes = before.wrongBytes + 1;
        const isCounted = wrongBytes > MOST_WRONG;
        const soonMs = nowMs + Math.min(SECOND_LOOK_MS, this.#intervalMs);
        const reason = isCounted ? "wrong bytes" : before.reason;
        this.#note(id, { failed: question, wrongBytes, reason, dueMs: isCounted ? dueMs : soonMs });
        break;
      }
      case "missing": {
        const missing = before.missing + 1;
        const reason = missing > MOST_WRONG ? (before.reason ?? "no proper answer") : before.reason;
        this.#note(id, { failed: before.failed ?? question, missing, reason, dueMs });
        break;
      }
      case "unanswered": {
        const unanswered = before.unanswered + 1;
        const unansweredSinceMs = before.unanswered === 0 ? nowMs : before.unansweredSinceMs;
        const isCounted = unanswered > MOST_UNANSWERED && nowMs - unansweredSinceMs > this.#intervalMs;
        const reason = isCounted ? (before.reason ?? "no proper answer") : before.reason;
        this.#note(id, { unanswered, unansweredSinceMs, reason, dueMs });
      }
    }
  }

  #note(id: string, change: Partial<Audited>): void {
    const before = this.#audited.get(id);
    if (before !== undefined) this.#audited.set(id, { ...before, ...change });
  }

  /** Nobody can tell when: between half and one and a half intervals. */
  #later(nowMs: number): number {
    return nowMs + this.#intervalMs * (0.5 + this.#random());
  }
}

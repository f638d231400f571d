import type { Random } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";

/** A range of a file that a volunteer says it has. */
export interface AuditQuestion {
  readonly path: RepoPath;
  readonly content: ContentId;
  readonly lengthBytes: number;
}

interface Audited {
  dueMs: number;
  /** What it was asked when it failed: asked again until it passes, or does not claim it any more. */
  failed: AuditQuestion | undefined;
  /** Failed twice in a row: no customers. In words. */
  reason: string | undefined;
}

/** After a first failure: long enough for a release that is being put in place to be announced, short for customers. */
const SECOND_LOOK_MS = 10_000;

/**
 * When which volunteer is asked to prove that it has what it says, and what came of it. A failure counts once the same file failed twice;
 * it is lifted when that very file passes: other files of a rotten disk may well be sound. Pure; one entry per volunteer.
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

  /** Which of these are to be asked now. Those that are not named are forgotten; new ones come within one interval. */
  due(ids: readonly string[], nowMs: number): readonly string[] {
    const named = new Set(ids);
    for (const id of this.#audited.keys()) if (!named.has(id)) this.#audited.delete(id);
    for (const id of ids) {
      if (this.#audited.has(id)) continue;
      const dueMs = nowMs + this.#random() * this.#intervalMs;
      this.#audited.set(id, { dueMs, failed: undefined, reason: undefined });
    }
    return ids.filter((id) => this.#audited.get(id)!.dueMs <= nowMs);
  }

  /** What it must be asked again; undefined: anything. */
  failedQuestion(id: string): AuditQuestion | undefined {
    return this.#audited.get(id)?.failed;
  }

  /** In words, while no customers are to be sent there. */
  reasonAgainst(id: string): string | undefined {
    return this.#audited.get(id)?.reason;
  }

  /** It gave what it was asked, or there is nothing to ask it about. */
  notePassed(id: string, nowMs: number): void {
    this.#note(id, { failed: undefined, reason: undefined, dueMs: this.#later(nowMs) });
  }

  noteFailed(id: string, question: AuditQuestion, { problem, nowMs }: { problem: string; nowMs: number }): void {
    const isSecond = this.failedQuestion(id)?.content === question.content;
    const dueMs = isSecond ? this.#later(nowMs) : nowMs + Math.min(SECOND_LOOK_MS, this.#intervalMs);
    const reason = isSecond ? problem : this.reasonAgainst(id);
    this.#note(id, { failed: question, reason, dueMs });
  }

  #note(id: string, audited: Audited): void {
    if (this.#audited.has(id)) this.#audited.set(id, audited);
  }

  /** Nobody can tell when: between half and one and a half intervals. */
  #later(nowMs: number): number {
    return nowMs + this.#intervalMs * (0.5 + this.#random());
  }
}

import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Clock, Random } from "../core/clock.ts";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { type AuditQuestion, AuditSchedule } from "../delivery/audit-schedule.ts";
import { canReach, reachOf } from "../delivery/host-reach.ts";
import { contentUrl } from "../delivery/redirect-answer.ts";
import { NetError } from "../net/errors.ts";
import { HttpClient } from "../net/http-client.ts";
import { holdsContent } from "../tracker/content-holders.ts";
import type { Holdings } from "../tracker/holdings.ts";
import type { LiveVolunteer } from "../tracker/live-volunteer.ts";
import type { LiveVolunteers } from "../tracker/live-volunteers.ts";
import type { ServeLog } from "./ports.ts";
import type { PublishedTree } from "./published-tree.ts";
import type { RedirectSignatures } from "./redirect-signatures.ts";

export interface AuditContext {
  readonly tree: PublishedTree;
  readonly live: LiveVolunteers;
  readonly signatures: RedirectSignatures;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ServeLog;
  /** Headers of a customer's request; an audit must not be told from one. */
  readonly customerHeaders: () => Readonly<Record<string, string>>;
}

/** Enough to meet a bad sector, little beside what customers take. */
const MAX_ASKED_BYTES = 64 * 1024;
const DEADLINE_MS = 20_000;
/** Asked at once; the others wait for the next turn. */
const MAX_AT_ONCE = 8;
/** Draws of a file until the volunteer claims to have it. */
const MAX_DRAWS = 32;

/**
 * Proves what volunteers say they hold: an ordinary Range request to the public URL, as a customer would send it, compared byte by byte
 * with central's own copy. Who fails gets no customers until the same file passes (`AuditSchedule`).
 */
export class VolunteerAudits implements AsyncDisposable {
  readonly #context: AuditContext;
  readonly #schedule: AuditSchedule;
  readonly #client = new HttpClient({ maxSockets: 1, connectTimeoutMs: 10_000, idleTimeoutMs: 1_000 });

  /** @param intervalMs mean time between two audits of a volunteer; 0: none ever */
  constructor(context: AuditContext, intervalMs: number) {
    this.#context = context;
    this.#schedule = new AuditSchedule(intervalMs === 0 ? Infinity : intervalMs, context.random);
  }

  /** Why a volunteer gets no customers, in words. */
  reasonAgainst(id: string): string | undefined {
    return this.#schedule.reasonAgainst(id);
  }

  /** Audits those whose turn it is. */
  async run(): Promise<void> {
    const { live, clock } = this.#context;
    const asked = live.all().filter((volunteer) => this.#isAskable(volunteer));
    const due = this.#schedule.due(
      asked.map(({ id }) => id),
      clock.monotonicMs(),
    );
    const turn = due.slice(0, MAX_AT_ONCE).map((id) => this.#audit(live.get(id)!));
    await Promise.all(turn);
  }

  /** Central must not be led to places that the volunteer itself could not reach: its own services, its own network. */
  #isAskable(volunteer: LiveVolunteer): boolean {
    const { live } = this.#context;
    if (volunteer.url === undefined || live.isOutOfReach(volunteer) || isEmpty(volunteer.holdings)) return false;
    return canReach(reachOf(volunteer.host), reachOf(new URL(volunteer.url).hostname));
  }

  async #audit(volunteer: LiveVolunteer): Promise<void> {
    const { clock, log } = this.#context;
    const { id } = volunteer;
    const question = await this.#questionFor(volunteer);
    const problem = question === undefined ? undefined : await this.#ask(volunteer, question);
    const nowMs = clock.monotonicMs();
    const before = this.reasonAgainst(id);
    if (question === undefined || problem === undefined) this.#schedule.notePassed(id, nowMs);
    else this.#schedule.noteFailed(id, question, { problem, nowMs });
    const after = this.reasonAgainst(id);
    if (before === undefined && after !== undefined)
      log.warn({ volunteer: id, reason: after }, "an audit failed: no customers");
    if (before !== undefined && after === undefined) log.info({ volunteer: id }, "an audit passed: customers again");
  }

  /** The file that it failed, else one drawn among those it claims to have. */
  async #questionFor(volunteer: LiveVolunteer): Promise<AuditQuestion | undefined> {
    const failed = this.#schedule.failedQuestion(volunteer.id);
    if (failed !== undefined && this.#isClaimed(volunteer, failed)) return failed;
    for (let draws = 0; draws < MAX_DRAWS; draws++) {
      const entry = this.#context.tree.fileFrom(contentIdOf(randomBytes(32)));
      if (entry === undefined) continue;
      const question = { path: entry.path, content: entry.content, lengthBytes: entry.size };
      if (this.#isClaimed(volunteer, question)) return question;
      // Each draw is a look-up on the main thread: requests go between them.
      await setImmediate();
    }
    return undefined;
  }

  #isClaimed({ holdings }: LiveVolunteer, { content }: AuditQuestion): boolean {
    const place = this.#context.tree.placeOf(content);
    return place !== undefined && holdsContent(holdings, place);
  }

  /** What is wrong with the answer, in words; undefined: nothing, or central has no copy itself to compare with. */
  async #ask(volunteer: LiveVolunteer, { path, content, lengthBytes }: AuditQuestion): Promise<string | undefined> {
    const { tree, random, customerHeaders } = this.#context;
    const url = this.#urlAt(volunteer, path, content);
    const askedBytes = Math.min(lengthBytes, MAX_ASKED_BYTES);
    const start = Math.floor(random() * (lengthBytes - askedBytes + 1));
    await using copy = await tree.openContent(content);
    if (copy === undefined) return undefined;
    const expected = await copy.read(start, askedBytes);
    const range = { start, end: start + askedBytes };
    const limits = { range, headers: customerHeaders(), maxBytes: askedBytes, deadlineMs: DEADLINE_MS };
    const what = displayPath(path);
    try {
      const { status, body } = await this.#client.get(url, limits);
      if (status !== 206) return `answered ${status} for a range of ${what}`;
      return body.equals(expected) ? undefined : `gave wrong bytes of ${what}`;
    } catch (error) {
      if (error instanceof NetError) return `gave no answer for ${what}: ${error.code}`;
      throw error;
    }
  }

  /** Where a customer would be sent. */
  #urlAt({ id, url, isOnlyRedirected }: LiveVolunteer, path: RepoPath, content: ContentId): string {
    const signature = isOnlyRedirected ? this.#context.signatures.queryFor(id, content) : "";
    return contentUrl(url!, path, content) + signature;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}

/** Nothing to ask it about. */
function isEmpty({ completeRelease, bundles }: Holdings): boolean {
  return completeRelease === 0 && bundles.size === 0;
}

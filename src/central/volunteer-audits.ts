import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Clock, Random } from "../core/clock.ts";
import { contentIdOf } from "../core/content-id.ts";
import { messageOf } from "../core/errors.ts";
import { displayPath } from "../core/repo-path.ts";
import { type AuditedFile, type AuditQuestion, drawQuestion } from "../delivery/audit-question.ts";
import { type AuditMoment, type AuditReason, AuditSchedule, type AuditTimes } from "../delivery/audit-schedule.ts";
import { decideCustomerRequest } from "../delivery/customer-request.ts";
import { canReach, reachOf } from "../delivery/host-reach.ts";
import { contentUrl } from "../delivery/redirect-answer.ts";
import { claimsContent } from "../tracker/content-holders.ts";
import type { Holdings } from "../tracker/holdings.ts";
import type { LiveVolunteer } from "../tracker/live-volunteer.ts";
import type { VolunteerStates } from "../tracker/volunteer-states.ts";
import type { AuditAddresses } from "./audit-addresses.ts";
import { type AuditFinding, requestAudit } from "./audit-request.ts";
import type { CustomerTraces } from "./customer-choice.ts";
import type { ServeLog } from "./ports.ts";
import type { PublishedTree } from "./published-tree.ts";
import type { RedirectSignatures } from "./redirect-signatures.ts";
import { BUILT_IN_CUSTOMER } from "./seen-customers.ts";

export interface AuditContext {
  readonly tree: PublishedTree;
  readonly live: Pick<VolunteerStates, "get" | "all" | "isOutOfReach">;
  readonly signatures: RedirectSignatures;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ServeLog;
  /** Headers of a customer's request; an audit must not be told from one. */
  readonly customerHeaders: () => Readonly<Record<string, string>>;
  /** What customers were sent for and sent back for. */
  readonly traces: CustomerTraces;
  readonly addresses: Pick<AuditAddresses, "drawFor">;
  /** Shorter files are never asked for: customers get them from central. */
  readonly minBytes: number;
}

/** Asked at once; the others wait for the next turn. */
const MAX_AT_ONCE = 8;
/** Draws of a file until the volunteer claims to have it. */
const MAX_DRAWS = 64;
/** Of the questions about what customers were sent there for lately; the others are about anything it claims to have. */
const SENT_SHARE = 1 / 2;

/**
 * Proves what volunteers say they hold: an ordinary request to the public URL, as a customer would send it, compared byte by byte
 * with central's own copy. Who fails gets no customers until it passes (`AuditSchedule`).
 */
export class VolunteerAudits implements AsyncDisposable {
  readonly #context: AuditContext;
  readonly #schedule: AuditSchedule;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #end = new AbortController();
  /** Whether the volunteer may be led to its own URL; good until its next announce. Of a thousand each second took 12 ms, and customers waited. */
  readonly #reachable = new WeakMap<LiveVolunteer, boolean>();

  /** @param times `intervalMs` 0: none ever */
  constructor(context: AuditContext, times: AuditTimes) {
    this.#context = context;
    const intervalMs = times.intervalMs === 0 ? Infinity : times.intervalMs;
    this.#schedule = new AuditSchedule({ ...times, intervalMs }, context.random);
  }

  /** Why a volunteer gets no customers. */
  reasonAgainst(id: string): AuditReason | undefined {
    return this.#schedule.reasonAgainst(id);
  }

  /** Begins to audit those whose turn it is: a slow one holds up nobody. */
  start(): void {
    const { live, clock, traces } = this.#context;
    const { shownRelease } = this.#context.tree;
    const isAsked = (volunteer: LiveVolunteer): boolean =>
      isNowShown(volunteer, shownRelease) && this.#isAskable(volunteer);
    const asked = live.all().flatMap((volunteer) => (isAsked(volunteer) ? [volunteer.id] : []));
    const due = this.#schedule.due(asked, clock.monotonicMs());
    // Behind those whose turn it is: customers must not put an audit off.
    const hinted = asked.filter((id) => traces.misses.hasHint(id) && !due.includes(id));
    const waiting = [...due, ...hinted].filter((id) => !this.#underWay.has(id));
    for (const id of waiting.slice(0, MAX_AT_ONCE - this.#underWay.size)) {
      this.#underWay.set(
        id,
        this.#audit(live.get(id)!).finally(() => this.#underWay.delete(id)),
      );
    }
  }

  /** Resolves when none is under way. */
  async finished(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  /** Central must not be led to places that the volunteer itself could not reach: its own services, its own network. */
  #isAskable(volunteer: LiveVolunteer): boolean {
    const { live } = this.#context;
    if (volunteer.url === undefined || live.isOutOfReach(volunteer) || isEmpty(volunteer.holdings)) return false;
    const known = this.#reachable.get(volunteer);
    if (known !== undefined) return known;
    const isReachable = canReach(reachOf(volunteer.host), reachOf(new URL(volunteer.url).hostname));
    this.#reachable.set(volunteer, isReachable);
    return isReachable;
  }

  async #audit(volunteer: LiveVolunteer): Promise<void> {
    const { clock, log } = this.#context;
    const { id, release } = volunteer;
    const askedMs = clock.monotonicMs();
    const moment = (): AuditMoment => ({ askedMs, nowMs: clock.monotonicMs(), release });
    try {
      const question = await this.#questionFor(volunteer, askedMs);
      const finding = question === undefined ? undefined : await this.#ask(volunteer, question, askedMs);
      if (finding === undefined) this.#schedule.notePostponed(id, moment());
      else this.#note(id, finding, moment());
    } catch (error) {
      this.#schedule.notePostponed(id, moment());
      if (!this.#end.signal.aborted) log.warn({ volunteer: id, error: messageOf(error) }, "an audit was not possible");
    }
  }

  #note(id: string, { question, failure, detail }: AuditFinding, moment: AuditMoment): void {
    const { log } = this.#context;
    const before = this.reasonAgainst(id);
    if (failure === undefined) this.#schedule.notePassed(id, question, moment);
    else this.#schedule.noteFailed(id, question, { ...moment, failure });
    const reason = this.reasonAgainst(id);
    const told = { volunteer: id, path: displayPath(question.path), detail };
    if (before === undefined && reason !== undefined) log.warn({ ...told, reason }, "audits failed: no customers");
    else if (failure !== undefined) log.debug(told, "an audit failed");
    if (before !== undefined && reason === undefined) log.info({ volunteer: id }, "an audit passed: customers again");
  }

  /**
   * What it failed; else on its own turn something that customers were sent there for, or anything, and between its turns what they were sent
   * back for. The two stay apart, or customers could choose all that it is asked.
   */
  async #questionFor(volunteer: LiveVolunteer, nowMs: number): Promise<AuditQuestion | undefined> {
    const { random, traces } = this.#context;
    const { id } = volunteer;
    const isAskable = (file: AuditedFile): boolean => this.#isAskableFor(volunteer, file);
    const isTurn = this.#schedule.isTurn(id, nowMs);
    const hinted = isTurn ? undefined : traces.misses.takeHint(id);
    const ripe = this.#schedule.ripeQuestions(id, nowMs).find(isAskable);
    if (ripe !== undefined) return ripe;
    // A second look that comes too soon would meet what it had no time to tell; a pass of anything else must not bring customers back.
    const isWaiting = !isTurn || this.reasonAgainst(id) !== undefined;
    if (isWaiting && this.#schedule.failedQuestions(id).some(isAskable)) return undefined;
    if (!isTurn) return hinted && isAskable(hinted) ? drawQuestion(hinted, random) : undefined;
    const sent = random() < SENT_SHARE ? traces.sent.take(id) : undefined;
    if (sent !== undefined && isAskable(sent)) return drawQuestion(sent, random);
    const drawn = await this.#drawClaimed(volunteer);
    return drawn && drawQuestion(drawn, random);
  }

  async #drawClaimed(volunteer: LiveVolunteer): Promise<AuditedFile | undefined> {
    const { tree, minBytes } = this.#context;
    for (let draws = 0; draws < MAX_DRAWS; draws++) {
      const entry = tree.fileFrom(contentIdOf(randomBytes(32)));
      if (entry === undefined) continue;
      const file = { path: entry.path, content: entry.content, lengthBytes: entry.size };
      if (entry.size >= Math.max(1, minBytes) && this.#isClaimed(volunteer, file)) return file;
      // Each draw is a look-up on the main thread: requests go between them.
      await setImmediate();
    }
    return undefined;
  }

  /** Customers would still be sent there for it: the release has it under this name, and the volunteer claims it. */
  #isAskableFor(volunteer: LiveVolunteer, file: AuditedFile): boolean {
    const asked = { path: file.path, endsWithSlash: false, wantedContent: file.content, isOriginWanted: false };
    const request = { ...asked, explanation: undefined };
    const decision = decideCustomerRequest(request, (path) => this.#context.tree.entry(path));
    return decision.kind === "file" && this.#isClaimed(volunteer, file);
  }

  #isClaimed(volunteer: LiveVolunteer, { path, content }: AuditedFile): boolean {
    const { tree } = this.#context;
    const place = tree.placeOf(content);
    if (place === undefined || !claimsContent(volunteer, place)) return false;
    const entry = volunteer.isByName ? tree.entry(path) : undefined;
    return !volunteer.isByName || (entry?.kind === "file" && entry.content === content);
  }

  /** Undefined if central has no copy itself to compare with, or the address that it asked from is to blame. */
  async #ask(volunteer: LiveVolunteer, question: AuditQuestion, askedMs: number): Promise<AuditFinding | undefined> {
    const { tree, live, random, customerHeaders, addresses, log } = this.#context;
    await using copy = await tree.openContent(question.content);
    if (copy === undefined) return undefined;
    const url = this.#urlAt(volunteer, question);
    const localAddress = await addresses.drawFor(new URL(url).hostname, random);
    const request = {
      url,
      question,
      copy,
      isAgain: this.#schedule.failedQuestions(volunteer.id).includes(question),
      // Customers are strangers: nobody loses customers for what one of them sends.
      headers: this.#schedule.isDoubtful(volunteer.id, question) ? BUILT_IN_CUSTOMER : customerHeaders(),
      isByName: volunteer.isByName,
      // As it is by its last announce: it may have begun to synchronise meanwhile.
      isStillNewest: () => isNowShown(live.get(volunteer.id) ?? volunteer, tree.shownRelease),
      localAddress,
      signal: this.#end.signal,
    };
    const finding = await requestAudit(volunteer.host, request);
    // Only where it would cost the customers: who breaks off learns by it which address audits.
    const isAtStake = this.#schedule.isTurn(volunteer.id, askedMs) && this.#schedule.isLastChance(volunteer.id);
    if (finding.failure !== "unanswered" || localAddress === undefined || !isAtStake) return finding;
    const other = await requestAudit(volunteer.host, { ...request, localAddress: undefined });
    if (other.failure !== undefined) return other;
    log.warn(
      { volunteer: volunteer.id, auditFrom: localAddress, detail: finding.detail },
      "answers central, but not --audit-from",
    );
    return undefined;
  }

  /** Where a customer would be sent. */
  #urlAt({ id, url, isOnlyRedirected }: LiveVolunteer, { path, content }: AuditQuestion): string {
    const signature = isOnlyRedirected ? this.#context.signatures.queryFor(id, content) : "";
    return contentUrl(url!, path, content) + signature;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.finished();
  }
}

/** Under a name a web server has the bytes of the release that it shows, if it is not at work on it. */
function isNowShown({ isByName, isSyncing, release }: LiveVolunteer, shownRelease: number): boolean {
  return !isByName || (release === shownRelease && !isSyncing);
}

/** Nothing to ask it about. */
function isEmpty({ completeRelease, bundles }: Holdings): boolean {
  return completeRelease === 0 && bundles.size === 0;
}

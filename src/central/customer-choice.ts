import type { Clock, Random } from "../core/clock.ts";
import { addressNetwork } from "../core/remote-address.ts";
import { chooseQuickly, chooseVolunteer, type ChoiceRules } from "../delivery/choose-volunteer.ts";
import type { Customer, DeliveryDemand } from "../delivery/eligibility.ts";
import { explain, type Explanation, type OriginReason } from "../delivery/explanation.ts";
import { NetworkFailures, type Witness } from "../delivery/network-failures.ts";
import { type PolicyName, policyNamed } from "../delivery/policies/named-policy.ts";
import type { Policy } from "../delivery/policies/policy.ts";
import { parseRangeHeader } from "../delivery/range-header.ts";
import { type AskedContent, type RecentRequest, RecentRequests } from "../delivery/recent-requests.ts";
import type { RedirectPlace } from "../delivery/redirect-answer.ts";
import { RememberedVolunteers } from "../delivery/remembered-volunteers.ts";
import type { SentSamples } from "../delivery/sent-samples.ts";
import { type SuspectedFailure, SuspectedFailures } from "../delivery/suspected-failures.ts";
import type { VolunteerMisses } from "../delivery/volunteer-misses.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { CustomerVolunteer, CustomerVolunteers } from "./customer-volunteers.ts";
import type { RedirectSignatures } from "./redirect-signatures.ts";
import type { ReleasedFile } from "./released-files.ts";

/** Whether and how customers are sent to volunteers. */
export interface RedirectOptions {
  readonly policy: PolicyName;
  /** Shorter contents are served by central itself: the way elsewhere would cost the customer more than the bytes. */
  readonly minBytes: number;
}

/** A customer's request for a file of the current release. */
export interface FileDemand {
  readonly customer: Customer;
  /** Whom its address counts to (`addressGroup`). */
  readonly customerGroup: string;
  readonly file: ReleasedFile;
  readonly isHead: boolean;
  /** The `Range` header as it came. */
  readonly range: string | undefined;
  /** Of its connection; 0 if that says nothing about who asks. */
  readonly port: number;
  /** `User-Agent` as it came. */
  readonly agent: string | undefined;
  readonly isOriginWanted: boolean;
  /** The customer has these bytes already, or set conditions that do not hold. */
  readonly isBodyless: boolean;
}

/** Whom {@link CustomerChoice.places} names. */
export interface PlacesWanted {
  /** The URLs will not say which content is meant: only who shows the newest release has it under this name for sure. */
  readonly isByName: boolean;
  /** All there are, up to {@link MOST_LISTED}, in place of the best few. */
  readonly isForAll: boolean;
  /** Somebody downloads from the first of them. */
  readonly isBooked: boolean;
}

/** What is decided about a demand before anybody is chosen. */
interface Question {
  readonly asked: AskedContent;
  readonly recent: RecentRequest;
  /** Sent the customer back for this content lately. */
  readonly missed: readonly string[];
  readonly demand: DeliveryDemand<CustomerVolunteer>;
  readonly rules: ChoiceRules;
}

/** What customers leave behind that audits go by. */
export interface CustomerTraces {
  readonly sent: SentSamples;
  readonly misses: VolunteerMisses;
}

export interface ChoiceContext {
  readonly volunteers: CustomerVolunteers;
  readonly counters: CentralCounters;
  readonly signatures: Pick<RedirectSignatures, "queryFor">;
  readonly traces: CustomerTraces;
  readonly clock: Clock;
  readonly random: Random;
}

/** The chosen one and its `Link: rel=duplicate` neighbours. */
const PLACES_NAMED = 4;
/** On a page of all mirrors: nobody reads more, and each costs time to weigh. */
export const MOST_LISTED = 200;
const MISS_REMEMBERED_MS = 60_000;
/** How often within a minute a customer that a volunteer sent back is sent on: some clients follow few redirects, and apt none to where it was before. */
const MOST_SENT_BACK = 1;
/** A failure lowers a volunteer for the customer that saw it and, if another one there saw one, for its network, not for everybody. */
const FAILURE_REMEMBERED_MS = 300_000;

/** Decides which volunteer serves a customer, and remembers what came of it. */
export class CustomerChoice {
  readonly #context: ChoiceContext;
  readonly #options: RedirectOptions | undefined;
  readonly #policy: Policy;
  readonly #recent: RecentRequests;
  readonly #misses = new RememberedVolunteers(MISS_REMEMBERED_MS);
  readonly #failures = new NetworkFailures(FAILURE_REMEMBERED_MS);
  readonly #suspected: SuspectedFailures;

  /** @param options undefined: central serves everything itself */
  constructor(context: ChoiceContext, options: RedirectOptions | undefined) {
    this.#context = context;
    this.#options = options;
    this.#recent = new RecentRequests(Math.floor(context.random() * 2 ** 32));
    this.#suspected = new SuspectedFailures((asked, nowMs) => this.#recent.isShared(asked, nowMs));
    this.#policy = policyNamed(options?.policy ?? "random", context.random);
  }

  /** Where a customer is sent, best first; undefined if central serves it itself. Called once per request: it is remembered. */
  redirect(demand: FileDemand): readonly RedirectPlace[] | undefined {
    if (this.#options === undefined) return undefined;
    const { clock, counters, volunteers } = this.#context;
    const nowMs = clock.monotonicMs();
    // Whom a look at the head was sent to is not remembered.
    if (demand.isOriginWanted && !demand.isHead) this.#noteMiss(demand, nowMs);
    if (this.#originReason(demand) !== undefined) return undefined;
    const question = this.#question(demand, nowMs);
    const ranked = chooseQuickly(volunteers.pools(), question.demand, question.rules);
    const isForOrigin = lateOriginReason(ranked[0]?.id, question.recent) !== undefined;
    // A look at the head says nothing about whether the last choice helped.
    if (!demand.isHead) this.#remember(demand, question, { chosen: isForOrigin ? undefined : ranked[0], nowMs });
    if (isForOrigin) return undefined;
    counters.customerRedirects++;
    return this.#signed(ranked as RedirectPlaces, demand);
  }

  /**
   * Who can give what central itself has lost, best first, however small; undefined if nobody has it. A customer that one of them sent back
   * (`origin=1`) goes to one more, if it is known whom it comes from: else it would go round in circles.
   */
  holders(demand: FileDemand): readonly RedirectPlace[] | undefined {
    if (this.#options === undefined) return undefined;
    const { clock, counters, volunteers } = this.#context;
    const nowMs = clock.monotonicMs();
    const question = this.#question(demand, nowMs);
    const wanted = wantedOfHolders(demand, question);
    const ranked = wanted === undefined ? [] : chooseQuickly(volunteers.pools(), wanted, question.rules);
    if (ranked[0] === undefined) return undefined;
    // A look at the head says nothing about whether the last choice helped.
    if (!demand.isHead) this.#remember(demand, question, { chosen: ranked[0], nowMs });
    counters.customerRedirects++;
    return this.#signed(ranked as RedirectPlaces, demand);
  }

  /** Made only for who wants one: most want none. */
  #signed(places: RedirectPlaces, { file }: FileDemand): readonly RedirectPlace[] {
    if (!places.some(({ isOnlyRedirected }) => isOnlyRedirected)) return places;
    const { signatures } = this.#context;
    return places.map(({ id, url, isOnlyRedirected }) =>
      isOnlyRedirected ? { url, signature: signatures.queryFor(id, file.served.content) } : { url },
    );
  }

  #remember(
    demand: FileDemand,
    { asked, recent, missed, demand: { lengthBytes } }: Question,
    { chosen, nowMs }: { readonly chosen: CustomerVolunteer | undefined; readonly nowMs: number },
  ): void {
    const { counters, traces } = this.#context;
    const last = recent.tried.at(-1);
    // Who sent the customer back answered: that is a miss and no failure.
    if (recent.isRepeated && last !== undefined && !missed.includes(last)) {
      const { customer, content } = asked;
      const failure = { asked: { customer, content }, network: witnessOf(demand).network, volunteer: last };
      if (recent.isCertain) this.#noteFailure(failure, nowMs);
      else this.#suspected.note(failure, nowMs);
    }
    for (const failure of this.#suspected.settled(nowMs)) this.#noteFailure(failure, nowMs);
    if (chosen === undefined) {
      this.#recent.noteServed(asked, nowMs);
      return;
    }
    this.#recent.noteRedirect(asked, chosen.id, nowMs);
    chosen.noteRedirect(lengthBytes);
    traces.sent.note(chosen.id, demand.file, lengthBytes);
    this.#policy.noteSent?.(chosen, lengthBytes);
    counters.redirectedBytes += lengthBytes;
  }

  #noteFailure({ asked: { customer }, network, volunteer }: SuspectedFailure, nowMs: number): void {
    this.#failures.note(volunteer, { customer, network }, nowMs);
  }

  /** What would be done now, and why; changes nothing. @param isLost of what central would serve itself it has no intact copy */
  explain(demand: FileDemand, isLost = false): Explanation {
    const { customer, file } = demand;
    const question = this.#question(demand, this.#context.clock.monotonicMs());
    const rules = { ...question.rules, policy: this.#policy.copy?.() ?? this.#policy, count: Infinity };
    const wanted = isLost ? wantedOfHolders(demand, question) : question.demand;
    const choice = chooseVolunteer(this.#context.volunteers.all(), wanted ?? question.demand, rules);
    const usual = this.#originReason(demand) ?? lateOriginReason(choice.ranked[0]?.id, question.recent);
    const isHolderAsked = this.#options !== undefined && wanted !== undefined && choice.ranked.length > 0;
    const origin = !isLost ? usual : isHolderAsked ? undefined : "lost";
    const { content, lengthBytes } = file.served;
    return explain({ path: file.path, content, lengthBytes, release: file.release, customer }, choice, origin);
  }

  /**
   * Base URLs of the volunteers that could serve this customer now, best first; not those that want a signature, which would not last.
   *
   * Who gets them for a download goes to the first: that counts as a redirect.
   */
  places(demand: FileDemand, { isByName, isForAll, isBooked }: PlacesWanted): readonly string[] {
    if (this.#options === undefined) return [];
    const { demand: needed, rules } = this.#question(demand, this.#context.clock.monotonicMs());
    const lasting = {
      ...needed,
      neededRelease: isByName ? needed.newestRelease : needed.neededRelease,
      isHeldBy: (volunteer: CustomerVolunteer) => !volunteer.isOnlyRedirected && needed.isHeldBy(volunteer),
    };
    const { volunteers } = this.#context;
    // A quick choice is among a sample.
    const ranked = isForAll
      ? chooseVolunteer(volunteers.all(), lasting, { ...rules, count: MOST_LISTED }).ranked
      : chooseQuickly(volunteers.pools(), lasting, rules);
    if (isBooked) ranked[0]?.noteRedirect(needed.lengthBytes);
    return ranked.map(({ url }) => url!);
  }

  /** Volunteers that are weighed where all are. */
  get weighedCount(): number {
    return this.#context.volunteers.all().length;
  }

  #originReason({ isOriginWanted, isBodyless, file }: FileDemand): OriginReason | undefined {
    const { lengthBytes } = file.served;
    if (this.#options === undefined) return "no-redirects";
    if (isOriginWanted) return "asked-for-origin";
    if (isBodyless) return "not-modified";
    return lengthBytes === 0 || lengthBytes < this.#options.minBytes ? "small" : undefined;
  }

  #question(demand: FileDemand, nowMs: number): Question {
    const { customer, file } = demand;
    const { place, release, isBehindLink } = file;
    const asked = askedOf(demand);
    const recent = this.#recent.look(asked, nowMs);
    const missed = this.#misses.at(() => contentKey(asked), nowMs);
    const failed = this.#failures.at(() => witnessOf(demand), nowMs);
    const isDoubt = recent.tried.length + failed.length > 0;
    const doubt = isDoubt ? new Set([...recent.tried, ...failed]) : undefined;
    return {
      asked,
      recent,
      missed,
      demand: {
        customer,
        lengthBytes: askedBytes(demand),
        newestRelease: release,
        neededRelease: file.isMetadata ? release : undefined,
        isHeldBy: place === undefined ? nobody : (volunteer) => volunteer.holds(place, isBehindLink),
        hasMissed: missed.length === 0 ? nobody : ({ id }) => missed.includes(id),
      },
      rules: {
        policy: this.#policy,
        count: PLACES_NAMED,
        isDoubtful: doubt === undefined ? undefined : ({ id }) => doubt.has(id),
      },
    };
  }

  /** A volunteer sent the customer back: central believed that it holds what it does not. */
  #noteMiss(demand: FileDemand, nowMs: number): void {
    const asked = askedOf(demand);
    const missed = this.#recent.look(asked, nowMs).tried.at(-1);
    if (missed === undefined) return;
    const { counters, traces } = this.#context;
    counters.customerMisses++;
    traces.misses.note(missed, demand.file, { network: addressNetwork(demand.customer.address), nowMs });
    this.#misses.note(contentKey(asked), missed, nowMs);
  }
}

/** Eligible ones have a URL. */
type RedirectPlaces = readonly (CustomerVolunteer & { readonly url: string })[];

function lateOriginReason(best: string | undefined, recent: RecentRequest): OriginReason | undefined {
  if (best === undefined) return "nobody";
  return recent.isOriginDue || (recent.isRepeated && recent.tried.includes(best)) ? "repeated" : undefined;
}

/** Undefined if nobody is to be asked. */
function wantedOfHolders(
  { isOriginWanted, isHead }: FileDemand,
  { demand, missed, recent: { tried } }: Question,
): Question["demand"] | undefined {
  if (!isOriginWanted) return demand;
  if (isHead || tried.length === 0 || missed.length > MOST_SENT_BACK) return undefined;
  return { ...demand, isHeldBy: (volunteer) => !tried.includes(volunteer.id) && demand.isHeldBy(volunteer) };
}

const nobody = (): boolean => false;

function askedOf({ customerGroup, file, range, port, agent }: FileDemand): AskedContent {
  return { customer: customerGroup, content: file.served.content, range, port, agent };
}

/** What will be sent: one of many parallel ranges is not the whole file. */
function askedBytes({ file, range }: FileDemand): number {
  const { lengthBytes } = file.served;
  if (range === undefined) return lengthBytes;
  const decision = parseRangeHeader(range, lengthBytes);
  return decision.kind === "ranges"
    ? decision.ranges.reduce((sum, { start, end }) => sum + end - start, 0)
    : lengthBytes;
}

function contentKey({ customer, content }: AskedContent): string {
  return `${customer} ${content}`;
}

function witnessOf({ customer, customerGroup }: FileDemand): Witness {
  return { customer: customerGroup, network: customer.site ?? customerGroup };
}

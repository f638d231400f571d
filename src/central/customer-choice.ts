import type { Clock, Random } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import { addressGroup } from "../core/remote-address.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { chooseVolunteer } from "../delivery/choose-volunteer.ts";
import type { Customer } from "../delivery/eligibility.ts";
import { ExpiringMap } from "../delivery/expiring-map.ts";
import { explain, type Explanation, type OriginReason } from "../delivery/explanation.ts";
import { type PolicyName, policyNamed } from "../delivery/policies/named-policy.ts";
import type { Policy } from "../delivery/policies/policy.ts";
import { type AskedContent, type RecentRequest, RecentRequests } from "../delivery/recent-requests.ts";
import { redirectHeaders, type RedirectHeaders } from "../delivery/redirect-answer.ts";
import { isMetadataPath } from "../plan/metadata-class.ts";
import { holdsContent } from "../tracker/content-holders.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { CustomerVolunteer, CustomerVolunteers } from "./customer-volunteers.ts";
import type { PublishedTree } from "./published-tree.ts";

/** Whether and how customers are sent to volunteers. */
export interface RedirectOptions {
  readonly policy: PolicyName;
  /** Shorter contents are served by central itself: the way elsewhere would cost the customer more than the bytes. */
  readonly minBytes: number;
}

/** A customer's request for a file of the current release. */
export interface FileDemand {
  readonly customer: Customer;
  /** As it was asked for. */
  readonly path: RepoPath;
  /** Where that led, through symlinks. */
  readonly resolvedPath: RepoPath;
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly isHead: boolean;
  /** The `Range` header as it came. */
  readonly range: string | undefined;
  readonly isOriginWanted: boolean;
  /** The customer has these bytes already, or set conditions that do not hold. */
  readonly isBodyless: boolean;
}

interface Decided {
  readonly ranked: readonly CustomerVolunteer[];
  readonly recent: RecentRequest;
  readonly asked: AskedContent;
  readonly origin: OriginReason | undefined;
  readonly explanation: () => Explanation;
}

export interface ChoiceContext {
  readonly tree: PublishedTree;
  readonly volunteers: CustomerVolunteers;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly random: Random;
}

/** The chosen one and its `Link: rel=duplicate` neighbours. */
const PLACES_NAMED = 4;
const MISS_REMEMBERED_MS = 60_000;
/** A failure lowers a volunteer for the network of the customer that saw it, not for everybody: one customer's word is little. */
const FAILURE_REMEMBERED_MS = 300_000;

/** Decides which volunteer serves a customer, and remembers what came of it. */
export class CustomerChoice {
  readonly #context: ChoiceContext;
  readonly #options: RedirectOptions | undefined;
  readonly #policy: Policy;
  readonly #recent = new RecentRequests();
  readonly #misses = new ExpiringMap<true>(MISS_REMEMBERED_MS);
  readonly #failures = new ExpiringMap<true>(FAILURE_REMEMBERED_MS);

  /** @param options undefined: central serves everything itself */
  constructor(context: ChoiceContext, options: RedirectOptions | undefined) {
    this.#context = context;
    this.#options = options;
    this.#policy = policyNamed(options?.policy ?? "random", context.random);
  }

  /** The fields of a 302; undefined if central serves the customer itself. */
  redirect(demand: FileDemand): RedirectHeaders | undefined {
    if (this.#options === undefined) return undefined;
    const { clock, counters } = this.#context;
    const nowMs = clock.monotonicMs();
    if (demand.isOriginWanted) this.#noteMiss(demand, nowMs);
    if (this.#originReason(demand) !== undefined) return undefined;
    const decided = this.#decide(demand, nowMs);
    // A look at the head says nothing about whether the last choice helped.
    if (!demand.isHead) this.#remember(demand, decided, nowMs);
    if (decided.origin !== undefined) return undefined;
    counters.customerRedirects++;
    const places = decided.ranked.map(({ url }) => ({ url: url! }));
    return redirectHeaders(places, demand.path, demand.content);
  }

  #remember(demand: FileDemand, { ranked, recent, asked, origin }: Decided, nowMs: number): void {
    const { counters, volunteers } = this.#context;
    const last = recent.tried.at(-1);
    if (recent.isRepeated && last !== undefined) this.#failures.set(failureKey(demand, last), true, nowMs);
    if (origin !== undefined) {
      this.#recent.noteServed(asked);
      return;
    }
    const chosen = ranked[0]!;
    this.#recent.noteRedirect(asked, chosen.id, nowMs);
    volunteers.noteRedirect(chosen, demand.lengthBytes);
    counters.redirectedBytes += demand.lengthBytes;
  }

  /** What would be done now, and why; changes nothing. */
  explain(demand: FileDemand): Explanation {
    return this.#decide(demand, this.#context.clock.monotonicMs()).explanation();
  }

  /** Base URLs of the volunteers that could serve this customer now, best first. */
  places(demand: FileDemand): readonly string[] {
    if (this.#options === undefined) return [];
    return this.#decide(demand, this.#context.clock.monotonicMs()).ranked.map(({ url }) => url!);
  }

  #originReason({ isOriginWanted, isBodyless, lengthBytes }: FileDemand): OriginReason | undefined {
    if (this.#options === undefined) return "no-redirects";
    if (isOriginWanted) return "asked-for-origin";
    if (isBodyless) return "not-modified";
    return lengthBytes === 0 || lengthBytes < this.#options.minBytes ? "small" : undefined;
  }

  #decide(demand: FileDemand, nowMs: number): Decided {
    const { tree, volunteers } = this.#context;
    const { customer, path, content } = demand;
    const asked = { customer: addressGroup(customer.address), content, range: demand.range };
    const recent = this.#recent.look(asked, nowMs);
    const release = tree.release!.number;
    const place = tree.placeOf(content);
    const isMetadata = isMetadataPath(path) || isMetadataPath(demand.resolvedPath);
    const choice = chooseVolunteer(
      volunteers.all(),
      {
        customer,
        lengthBytes: demand.lengthBytes,
        neededRelease: isMetadata ? release : undefined,
        isHeldBy: ({ live }) => place !== undefined && holdsContent(live.holdings, place),
        hasMissed: ({ id }) => this.#misses.get(missKey(asked, id), nowMs) === true,
      },
      {
        policy: this.#policy,
        count: PLACES_NAMED,
        isDoubtful: ({ id }) => recent.tried.includes(id) || this.#failures.get(failureKey(demand, id), nowMs) === true,
      },
    );
    const origin = this.#originReason(demand) ?? lateOriginReason(choice.ranked[0]?.id, recent);
    const decided = { path, content, lengthBytes: demand.lengthBytes, release, customer };
    return { ranked: choice.ranked, recent, asked, origin, explanation: () => explain(decided, choice, origin) };
  }

  /** A volunteer sent the customer back: central believed that it holds what it does not. */
  #noteMiss({ customer, content, range }: FileDemand, nowMs: number): void {
    const asked = { customer: addressGroup(customer.address), content, range };
    const missed = this.#recent.look(asked, nowMs).tried.at(-1);
    if (missed === undefined) return;
    this.#context.counters.customerMisses++;
    this.#misses.set(missKey(asked, missed), true, nowMs);
  }
}

function lateOriginReason(best: string | undefined, recent: RecentRequest): OriginReason | undefined {
  if (best === undefined) return "nobody";
  return recent.isOriginDue || (recent.isRepeated && recent.tried.includes(best)) ? "repeated" : undefined;
}

function missKey({ customer, content }: AskedContent, volunteer: string): string {
  return `${customer} ${volunteer} ${content}`;
}

function failureKey({ customer }: FileDemand, volunteer: string): string {
  return `${customer.site ?? addressGroup(customer.address)} ${volunteer}`;
}

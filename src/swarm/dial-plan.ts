import type { Random } from "../core/clock.ts";
import type { KnownPeer } from "./ports.ts";
import type { SiteView } from "./site-view.ts";

/** The origin is called only if no other peer could be reached within this time. */
const ORIGIN_WAIT_MS = 1_000;
/** After the first failure; doubles each time. */
const RETRY_MS = 15_000;
const MAX_RETRY_MS = 300_000;
/** The origin is often the only hope, and only restarts keep it away. */
const ORIGIN_RETRY_MS = 1_000;
const MAX_ORIGIN_RETRY_MS = 30_000;
/** A connection that lasted less counts as failed: somebody closes it for a reason. */
const SHORT_LIFE_MS = 20_000;
/** Connections one download looks for. */
const PEERS_PER_BUNDLE = 30;
/** With those to sites whose pieces this volunteer brings. */
const MAX_PEERS_PER_BUNDLE = 60;
/** Where neighbours share the work of the border, so many others are looked for: somebody may not do its part. */
const STRANGERS = 2;
/** Neighbours called, however many sites this volunteer brings pieces from. */
const MIN_NEIGHBOURS = 8;
/** Bounds the memory. */
const MAX_REMEMBERED = 4_096;

interface DialRecord {
  readonly dialledMs: number;
  readonly failures: number;
}

/** What the plan looks at. */
export interface DialSituation {
  readonly bundleNumber: number;
  readonly known: readonly KnownPeer[];
  /** Connected for this bundle or just being called, by peer id. */
  readonly busyIds: ReadonlySet<string>;
  /** Calls under way. */
  readonly pendingCount: number;
  readonly isAllowed: (peerId: string) => boolean;
  readonly needsOrigin: boolean;
  readonly sites: SiteView;
  /** Do sites share the work at their borders for this bundle? */
  readonly sharesWork: boolean;
}

/** Whom to call for one bundle, and when to try again. One plan per bundle that is wanted. */
export class DialPlan {
  readonly #records = new Map<string, DialRecord>();
  readonly #startMs: number;
  readonly #random: Random;

  constructor(random: Random, nowMs: number) {
    this.#random = random;
    this.#startMs = nowMs;
  }

  /** Peers to call now: others at once, the origin when it is needed and the others had their chance. */
  choose(situation: DialSituation, nowMs: number): KnownPeer[] {
    const callable = situation.known.filter(
      (peer) =>
        !situation.busyIds.has(peer.id) &&
        situation.isAllowed(peer.id) &&
        peer.mayHold(situation.bundleNumber) &&
        this.#isDue(peer, nowMs),
    );
    const others = callable.filter((peer) => !peer.isOrigin);
    const chosen = situation.sharesWork ? this.#bySite(others, situation) : this.#sample(others, roomOf(situation));
    const hadChance = nowMs - this.#startMs >= ORIGIN_WAIT_MS || (chosen.length === 0 && situation.pendingCount === 0);
    if (situation.needsOrigin && hadChance) chosen.push(...callable.filter((peer) => peer.isOrigin));
    for (const peer of chosen) this.#note(peer.id, { dialledMs: nowMs, failures: this.#failures(peer.id) });
    return chosen;
  }

  /** One volunteer of each site whose pieces this one brings, neighbours, and few others. */
  #bySite(callable: readonly KnownPeer[], { sites, busyIds }: DialSituation): KnownPeer[] {
    const reached = new Set([...busyIds].map((id) => sites.siteOf(id)));
    const { own = [], ...elsewhere } = Object.groupBy(callable, ({ id }) =>
      sites.isNear(id) ? "own" : `at ${sites.siteOf(id)}`,
    );
    const needed = new Set(sites.border.tasks.map(({ site }) => site));
    const open = [...needed].filter((site) => !reached.has(site));
    const chosen = open
      .flatMap((site) => this.#sample(elsewhere[`at ${site}`] ?? [], 1))
      .slice(0, Math.max(0, MAX_PEERS_PER_BUNDLE - busyIds.size));
    const strangers = STRANGERS - chosen.length;
    const nearBusy = [...busyIds].filter((id) => sites.isNear(id)).length;
    const neighbours = Math.max(MIN_NEIGHBOURS, PEERS_PER_BUNDLE - needed.size);
    chosen.push(...this.#sample(own, neighbours - nearBusy));
    const farBusy = [...busyIds].filter((id) => !sites.isNear(id) && sites.siteOf(id) !== undefined).length;
    const rest = callable.filter((peer) => !chosen.includes(peer) && !sites.isNear(peer.id));
    chosen.push(...this.#sample(rest, strangers - farBusy));
    return chosen;
  }

  /** A call was not answered, refused, or its connection was closed. */
  ended(peerId: string, nowMs: number): void {
    const record = this.#records.get(peerId);
    if (record === undefined) return;
    const failures = nowMs - record.dialledMs < SHORT_LIFE_MS ? record.failures + 1 : 0;
    this.#note(peerId, { dialledMs: nowMs, failures });
  }

  #isDue(peer: KnownPeer, nowMs: number): boolean {
    const record = this.#records.get(peer.id);
    if (record === undefined) return true;
    const [firstMs, mostMs] = peer.isOrigin ? [ORIGIN_RETRY_MS, MAX_ORIGIN_RETRY_MS] : [RETRY_MS, MAX_RETRY_MS];
    return nowMs - record.dialledMs >= Math.min(mostMs, firstMs * 2 ** Math.max(0, record.failures - 1));
  }

  #failures(peerId: string): number {
    return this.#records.get(peerId)?.failures ?? 0;
  }

  #note(peerId: string, record: DialRecord): void {
    this.#records.delete(peerId);
    this.#records.set(peerId, record);
    const oldest = this.#records.keys().next();
    if (this.#records.size > MAX_REMEMBERED && oldest.done !== true) this.#records.delete(oldest.value);
  }

  #sample(peers: readonly KnownPeer[], count: number): KnownPeer[] {
    const rest = [...peers];
    const sample: KnownPeer[] = [];
    while (sample.length < count && rest.length > 0) {
      const [peer] = rest.splice(Math.floor(this.#random() * rest.length), 1);
      sample.push(peer!);
    }
    return sample;
  }
}

function roomOf({ busyIds }: DialSituation): number {
  return Math.max(0, PEERS_PER_BUNDLE - busyIds.size);
}

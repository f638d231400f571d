import { hash } from "node:crypto";
import type { ContentId } from "../core/content-id.ts";
import { ExpiringMap } from "./expiring-map.ts";

/** What a customer did about a content within the last seconds. */
export interface RecentRequest {
  /** Volunteers that it was sent to, the last one last. */
  readonly tried: readonly string[];
  /** It asked for the very same again: the last choice did not help. */
  readonly isRepeated: boolean;
  /** Nobody else can have asked that: the same connection brought both requests. */
  readonly isCertain: boolean;
  /** Another volunteer did not help either: central serves it now. */
  readonly isOriginDue: boolean;
}

/** Clients that try again do so within seconds: curl after 1, 2 and 4, wget after up to 10. */
const REPEAT_WINDOW_MS = 10_000;
/** After so many redirects central serves: a customer's first, then if it may as well be another customer, then in a crowd. */
const REDIRECTS_OF_ONE = 2;
const REDIRECTS_IN_DOUBT = 3;
const REDIRECTS_IN_CROWD = 7;
/** No client tries again more often than this on average, on new connections: apt, curl and wget pause for a second at least. */
const QUICKEST_RETRY_MS = 150;
/** So many requests quicker than that are those of several customers. */
const QUICK_CROWD = 3;
/** So many without a pause are those of several customers at whatever pace: one that was served several times among them would be content. */
const SLOW_CROWD = 24;
/** An address that several customers shared is taken for shared for so long. */
const SHARED_REMEMBERED_MS = 3_600_000;
const MOST_SHARED = 4_096;
/** Whoever asks for many different contents only shortens the memory (row T06). A power of two: hashes are cut to it. */
const MOST_REQUESTS = 65_536;
const MAX_TRIED = 8;
const NOBODY = -1;
const DIGEST_BYTES = 32;
/** Longer ones are kept as their hash. */
const MAX_RANGE_LENGTH = 64;
/** What tells two programs from each other stands in so many characters. */
const MAX_AGENT_CHARACTERS = 128;
/** As far as is counted. */
const MOST_COUNTED = 255;

const NOTHING_YET: RecentRequest = { tried: [], isRepeated: false, isCertain: false, isOriginDue: false };
const ORIGIN_DUE: RecentRequest = { ...NOTHING_YET, isOriginDue: true };

/**
 * Requests of the last 10 s by address and content. The same again means that the choice failed, or that somebody else behind the same address
 * (NAT, proxy) wants the same file, which on a release day is the usual case. Who reaches no volunteer and opens a new connection for
 * each try looks like a crowd whose volunteers all answer: so central serves a part of all requests, the smaller the more it is a crowd.
 *
 * - Of a run of requests (no pause of 10 s) the third goes to central, then every fourth: one customer gets another volunteer, then the origin,
 *   again and again, and each time those first that it was not sent to yet, while the address is not known as shared.
 * - More than {@link QUICK_CROWD} that come quicker than any client tries again, or {@link SLOW_CROWD} in one run, are a crowd. It is chosen for like
 *   anybody else, without doubt about whom others were sent to; every eighth goes to central, so that all get through who try often enough.
 * - The same connection again is the same customer. In a crowd each is remembered for itself: another volunteer, then central.
 * - Another `User-Agent`, a request after central has served the content, and an address where a crowd was seen within the hour are doubtful: the
 *   request is sent elsewhere, but no volunteer is blamed.
 *
 * Another `Range` of the same content is a client that fetches in parallel, or goes on where it was cut off: it is sent elsewhere if
 * there is another place, and is not counted.
 *
 * The last redirect of each of 65,536 keys is remembered. Each one writes here, so all lies in columns that are made once, with nothing for
 * the garbage collector to find: places in the order of their redirects, and chains of those whose keys hash alike. In a `Map` of objects,
 * where what is forgotten had become old to the collector, they took 11 % of a choice and most of its collections. Contents lie here as bytes: a
 * string that is kept outlives the request that brought it, and each collection, for which all customers wait, moves it on.
 */
export class RecentRequests {
  readonly #customers: (string | undefined)[];
  /** Digests, 32 bytes each. */
  readonly #contents: Buffer;
  readonly #hashes: Int32Array;
  readonly #ranges: (string | undefined)[];
  readonly #tried: (readonly string[])[];
  /** Since the run began or central served one of it; 0: it served the last one. */
  readonly #redirects: Uint8Array;
  /** Of the run, by central. */
  readonly #served: Uint8Array;
  /** Requests of the run: none of them came later than the window after the one before. */
  readonly #requests: Uint8Array;
  /** 1: the run is that of a crowd. */
  readonly #crowds: Uint8Array;
  /** The run's first request. */
  readonly #sinceMs: Float64Array;
  readonly #atMs: Float64Array;
  /** Of the last request. */
  readonly #ports: Uint16Array;
  readonly #agents: Int32Array;
  readonly #shared = new ExpiringMap<true>(SHARED_REMEMBERED_MS, MOST_SHARED);
  /** The next place of the same chain. */
  readonly #next: Int32Array;
  /** The first place of each chain; a place belongs to the chain of its key. */
  readonly #first: Int32Array;
  readonly #mask: number;
  /** So that nobody can choose addresses that fall into one chain. */
  readonly #seed: number;
  /** Rings of places by age: behind the last column stands the mark whose newer one is the oldest place and whose older one is the newest. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  /** Lists of one, which most are: one for each volunteer. */
  readonly #alone = new Map<string, readonly string[]>();
  /** The digest that is looked for. */
  readonly #wanted: Buffer = Buffer.alloc(DIGEST_BYTES);

  /** What was looked for last, and where it is: a request is looked for when it comes and when it was answered. */
  #sought: AskedKey | undefined;
  #found: number = NOBODY;

  /** @param seed any integer, best one that nobody knows; @param places a power of two */
  constructor(seed = 0, places: number = MOST_REQUESTS) {
    this.#seed = seed;
    this.#mask = places - 1;
    this.#customers = Array<undefined>(places).fill(undefined);
    this.#contents = Buffer.alloc(DIGEST_BYTES * places);
    this.#hashes = new Int32Array(places);
    this.#ranges = Array<undefined>(places).fill(undefined);
    this.#tried = Array<readonly string[]>(places).fill(NOTHING_YET.tried);
    this.#redirects = new Uint8Array(places);
    this.#served = new Uint8Array(places);
    this.#requests = new Uint8Array(places);
    this.#crowds = new Uint8Array(places);
    this.#ports = new Uint16Array(places);
    this.#agents = new Int32Array(places);
    this.#sinceMs = new Float64Array(places);
    this.#atMs = new Float64Array(places);
    this.#next = new Int32Array(places).fill(NOBODY);
    this.#first = new Int32Array(places).fill(NOBODY);
    this.#newer = Int32Array.from({ length: places + 1 }, (_, place) => (place === places ? 0 : place + 1));
    this.#older = Int32Array.from({ length: places + 1 }, (_, place) => (place === 0 ? places : place - 1));
  }

  /** What is known when a request comes, before it is answered. */
  look(asked: AskedContent, nowMs: number): RecentRequest {
    const place = this.#find(asked);
    if (!this.#isRunning(place, nowMs)) return NOTHING_YET;
    if (!this.#isCrowd(place, nowMs)) return this.#seen(place, asked, nowMs);
    const own = asked.port === 0 ? NOBODY : this.#find(connectionOf(asked));
    if (this.#isRunning(own, nowMs) && this.#redirects[own]! > 0) return this.#seen(own, asked, nowMs);
    return this.#redirects[place]! >= REDIRECTS_IN_CROWD ? ORIGIN_DUE : NOTHING_YET;
  }

  #seen(place: number, asked: AskedContent, nowMs: number): RecentRequest {
    const tried = this.#tried[place]!;
    const redirects = this.#redirects[place]!;
    const isServed = this.#served[place]! > 0;
    const isSame = asked.port !== 0 && asked.port === this.#ports[place];
    const isOtherProgram = this.#agents[place] !== agentHash(asked.agent);
    const isDoubtful = !isSame && (isServed || isOtherProgram || this.#isSharedBy(asked.customer, nowMs));
    const isEnough = redirects >= this.#enough(place, isServed || isDoubtful);
    if (this.#ranges[place] !== shortRange(asked.range)) {
      return { tried, isRepeated: false, isCertain: false, isOriginDue: isEnough };
    }
    // Central served the last one: a new start. The same customer, as far as can be known, goes to none that it was sent to before.
    if (redirects === 0)
      return isSame || !this.#isSharedBy(asked.customer, nowMs) ? { ...NOTHING_YET, tried } : NOTHING_YET;
    const isOriginDue = isEnough && (isSame || !this.#isQuick(place, nowMs));
    return { tried, isRepeated: !isDoubtful, isCertain: isSame && !isServed, isOriginDue };
  }

  #enough(place: number, isInDoubt: boolean): number {
    if (this.#crowds[place] === 1) return REDIRECTS_IN_CROWD;
    return isInDoubt ? REDIRECTS_IN_DOUBT : REDIRECTS_OF_ONE;
  }

  /** Whether what looked like a repeat lately turned out to be other customers, or may have. */
  isShared(asked: AskedKey, nowMs: number): boolean {
    const place = this.#find(asked);
    if (place !== NOBODY && (this.#crowds[place] === 1 || this.#isAskedAfterServed(place))) return true;
    return this.#isSharedBy(asked.customer, nowMs);
  }

  #isSharedBy(customer: string, nowMs: number): boolean {
    return this.#shared.get(customer, nowMs) === true;
  }

  #isAskedAfterServed(place: number): boolean {
    return this.#served[place]! > 0 && this.#redirects[place]! > 0;
  }

  #isRunning(place: number, nowMs: number): boolean {
    return place !== NOBODY && nowMs - this.#atMs[place]! <= REPEAT_WINDOW_MS;
  }

  /** Whether the next request of a run is that of a crowd. */
  #isCrowd(place: number, nowMs: number): boolean {
    return this.#crowds[place] === 1 || (this.#requests[place]! >= QUICK_CROWD && this.#isQuick(place, nowMs));
  }

  #isQuick(place: number, nowMs: number): boolean {
    return nowMs - this.#sinceMs[place]! < this.#requests[place]! * QUICKEST_RETRY_MS;
  }

  /** The customer is sent to a volunteer. */
  noteRedirect(asked: AskedContent, volunteer: string, nowMs: number): void {
    const place = this.#note(asked, volunteer, nowMs);
    // What a crowd asks says nothing of one of them, but what came over the same connection does.
    if (this.#crowds[place] === 1 && asked.port !== 0) this.#noteOwn(connectionOf(asked), volunteer, nowMs);
  }

  #note(asked: AskedContent, volunteer: string, nowMs: number): number {
    const known = this.#find(asked);
    if (this.#isRunning(known, nowMs) && this.#isCrowd(known, nowMs)) {
      this.#noteCrowd(known, asked, nowMs);
      this.#count(this.#redirects, known);
      this.#count(this.#requests, known);
      this.#noteLast(known, asked, nowMs);
      return known;
    }
    return this.#noteOwn(asked, volunteer, nowMs);
  }

  /** Where there is no crowd. */
  #noteOwn(asked: AskedContent, volunteer: string, nowMs: number): number {
    const known = this.#find(asked);
    const place = known === NOBODY ? this.#takeOldest(asked) : known;
    if (!this.#isRunning(known, nowMs)) {
      this.#begin(place, nowMs);
      this.#tried[place] = this.#listOf(volunteer);
    } else if (this.#ranges[place] !== shortRange(asked.range)) {
      this.#tried[place] = withLast(this.#tried[place]!, volunteer);
      this.#redirects[place] = Math.max(1, this.#redirects[place]!);
      this.#noteLast(place, asked, nowMs);
      return place;
    } else if (this.#redirects[place] === 0) {
      // Sent where it was before, it was everywhere, or others behind its address were.
      const tried = this.#tried[place]!;
      this.#tried[place] = tried.includes(volunteer) ? this.#listOf(volunteer) : withLast(tried, volunteer);
      if (this.#served[place]! > 1) this.#shared.set(asked.customer, true, nowMs);
    } else this.#tried[place] = withLast(this.#tried[place]!, volunteer);
    this.#count(this.#redirects, place);
    this.#count(this.#requests, place);
    this.#noteLast(place, asked, nowMs);
    return place;
  }

  #begin(place: number, nowMs: number): void {
    this.#redirects[place] = 0;
    this.#served[place] = 0;
    this.#requests[place] = 0;
    this.#crowds[place] = 0;
    this.#sinceMs[place] = nowMs;
  }

  #count(column: Uint8Array, place: number): void {
    column[place] = Math.min(MOST_COUNTED, column[place]! + 1);
  }

  /** Told once per run. */
  #noteCrowd(place: number, { customer }: AskedKey, nowMs: number): void {
    if (this.#crowds[place] === 1) return;
    this.#crowds[place] = 1;
    this.#shared.set(customer, true, nowMs);
  }

  #noteLast(place: number, asked: AskedContent, nowMs: number): void {
    const range = shortRange(asked.range);
    // A copy of its own: the header as it came keeps all of the head in memory that it was cut from.
    if (this.#ranges[place] !== range) this.#ranges[place] = range && Buffer.from(range, "latin1").toString("latin1");
    this.#ports[place] = asked.port;
    this.#agents[place] = agentHash(asked.agent);
    this.#atMs[place] = nowMs;
    this.#moveBehind(place, this.#older[this.#mask + 1]!);
  }

  /** Central served the customer itself. */
  noteServed(asked: AskedContent, nowMs: number): void {
    for (const key of asked.port === 0 ? [asked] : [asked, connectionOf(asked)]) {
      const place = this.#find(key);
      if (!this.#isRunning(place, nowMs)) continue;
      // In a crowd, what one connection was due must not put off those who come by new ones.
      const isTurn = this.#crowds[place] === 0 || this.#redirects[place]! >= REDIRECTS_IN_CROWD;
      if (isTurn) this.#redirects[place] = 0;
      this.#count(this.#served, place);
      this.#count(this.#requests, place);
      if (this.#requests[place]! >= SLOW_CROWD) this.#noteCrowd(place, key, nowMs);
      this.#noteLast(place, key, nowMs);
    }
  }

  /** The place of what is forgotten for this one. */
  #takeOldest(asked: AskedKey): number {
    const place = this.#newer[this.#mask + 1]!;
    if (this.#customers[place] !== undefined) this.#remove(place);
    this.#customers[place] = asked.customer;
    this.#contents.write(asked.content, DIGEST_BYTES * place, DIGEST_BYTES, "hex");
    const hashed = this.#hashOf(asked);
    this.#hashes[place] = hashed;
    const chain = hashed & this.#mask;
    this.#next[place] = this.#first[chain]!;
    this.#first[chain] = place;
    this.#sought = asked;
    this.#found = place;
    return place;
  }

  /** In the order of age: newer than `older`, which may be the mark. */
  #moveBehind(place: number, older: number): void {
    if (older === place) return;
    const [before, after] = [this.#older[place]!, this.#newer[place]!];
    this.#newer[before] = after;
    this.#older[after] = before;
    const newer = this.#newer[older]!;
    this.#newer[older] = place;
    this.#older[place] = older;
    this.#newer[place] = newer;
    this.#older[newer] = place;
  }

  #find(asked: AskedKey): number {
    if (this.#sought === asked) return this.#found;
    this.#sought = asked;
    this.#found = this.#lookUp(asked);
    return this.#found;
  }

  #lookUp(asked: AskedKey): number {
    const hashed = this.#hashOf(asked);
    let place = this.#first[hashed & this.#mask]!;
    while (place !== NOBODY && !(this.#hashes[place] === hashed && this.#isOf(place, asked))) {
      place = this.#next[place]!;
    }
    return place;
  }

  #isOf(place: number, { customer, content }: AskedKey): boolean {
    if (this.#customers[place] !== customer) return false;
    this.#wanted.write(content, "hex");
    const start = DIGEST_BYTES * place;
    return this.#contents.compare(this.#wanted, 0, DIGEST_BYTES, start, start + DIGEST_BYTES) === 0;
  }

  #remove(place: number): void {
    const chain = this.#hashes[place]! & this.#mask;
    const after = this.#next[place]!;
    if (this.#first[chain] === place) this.#first[chain] = after;
    else {
      let before = this.#first[chain]!;
      while (this.#next[before] !== place) before = this.#next[before]!;
      this.#next[before] = after;
    }
    this.#customers[place] = undefined;
    this.#ranges[place] = undefined;
  }

  /** Contents are hashes already: their first half is enough. */
  #hashOf({ customer, content }: AskedKey): number {
    let hash = this.#seed;
    for (let at = 0; at < customer.length; at++) hash = Math.imul(hash ^ customer.charCodeAt(at), 0x01000193);
    const end = Math.min(content.length, 16);
    for (let at = 0; at < end; at++) hash = Math.imul(hash ^ content.charCodeAt(at), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return hash ^ (hash >>> 13);
  }

  #listOf(volunteer: string): readonly string[] {
    const known = this.#alone.get(volunteer);
    if (known !== undefined) return known;
    if (this.#alone.size >= MOST_REQUESTS) this.#alone.clear();
    const list = [volunteer];
    this.#alone.set(volunteer, list);
    return list;
  }
}

export interface AskedContent {
  /** Whoever counts as one; not empty. */
  readonly customer: string;
  readonly content: ContentId;
  /** The header as it came. */
  readonly range: string | undefined;
  /** The customer's, of the connection; 0 if that says nothing, as where a proxy stands between. */
  readonly port: number;
  /** `User-Agent` as it came. */
  readonly agent: string | undefined;
}

/** What is remembered by. */
export type AskedKey = Pick<AskedContent, "customer" | "content">;

function withLast(tried: readonly string[], volunteer: string): readonly string[] {
  return [...tried.filter((id) => id !== volunteer), volunteer].slice(-MAX_TRIED);
}

/** In a crowd each connection is a customer of its own. */
function connectionOf(asked: AskedContent): AskedContent {
  return { ...asked, customer: `${asked.customer} ${asked.port}` };
}

function agentHash(agent: string | undefined): number {
  if (agent === undefined) return 0;
  let hash = agent.length;
  const end = Math.min(agent.length, MAX_AGENT_CHARACTERS);
  for (let at = 0; at < end; at++) hash = (Math.imul(hash, 31) + agent.charCodeAt(at)) | 0;
  return hash;
}

/** What tells one `Range` from another, of bounded length. */
function shortRange(range: string | undefined): string | undefined {
  return range === undefined || range.length <= MAX_RANGE_LENGTH ? range : hash("sha256", range, "base64");
}

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
/** So many repeats in a row mean central. */
const REPEATS_BEFORE_ORIGIN = 2;
/** The same at an address that is known to be shared: most of what looks like a repeat there is another customer's first request. */
const SHARED_REPEATS_BEFORE_ORIGIN = 5;
/** No client tries again more often than this on average, on new connections: apt, curl and wget pause for a second at least. */
const QUICKEST_RETRY_MS = 500;
/** So many redirects quicker than that are those of several customers. */
const CROWD_REDIRECTS = 3;
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
/** As long as a chain can be told to be. */
const MOST_REPEATS = 255;

const NOTHING_YET: RecentRequest = { tried: [], isRepeated: false, isCertain: false, isOriginDue: false };

/** What a request is to the one before it of the same address and content. */
type Kinship = "first" | "other-range" | "certain-repeat" | "repeat" | "repeat-at-shared" | "other-customer";

/** What a chain of requests has shown. */
const [WAS_SERVED, IS_CROWD] = [1, 2];

/**
 * Requests of the last 10 s by address and content. The same again means that the choice failed, or that somebody else behind the same address
 * (NAT, proxy) wants the same file, which on a release day is the usual case. Told apart by what a request shows:
 *
 * - the same connection again is the same customer, also in a crowd, where each connection is remembered for itself;
 * - another `User-Agent` is another customer;
 * - whoever still asks after central itself has served the content is another customer;
 * - more than {@link CROWD_REDIRECTS} that come quicker than any client tries again are several customers;
 * - all else is a repeat, but at an address that was seen to be shared within the hour it is doubtful: it is sent elsewhere, and to central
 *   only after {@link SHARED_REPEATS_BEFORE_ORIGIN}.
 *
 * Other customers are chosen for like any other: no doubt about those who were tried, and nothing from central for that reason. Another
 * `Range` of the same content is a client that fetches in parallel, or goes on where it was cut off: it is sent
 * elsewhere if there is another place, but not to central.
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
  /** Repeats since the first request of a chain: requests of which none came later than the window after the one before. */
  readonly #repeats: Uint8Array;
  readonly #shown: Uint8Array;
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

  /** @param seed any integer, best one that nobody knows; @param places a power of two */
  constructor(seed = 0, places: number = MOST_REQUESTS) {
    this.#seed = seed;
    this.#mask = places - 1;
    this.#customers = Array<undefined>(places).fill(undefined);
    this.#contents = Buffer.alloc(DIGEST_BYTES * places);
    this.#hashes = new Int32Array(places);
    this.#ranges = Array<undefined>(places).fill(undefined);
    this.#tried = Array<readonly string[]>(places).fill(NOTHING_YET.tried);
    this.#repeats = new Uint8Array(places);
    this.#shown = new Uint8Array(places);
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
    const kinship = this.#kinship(place, asked, nowMs);
    if (kinship !== "other-customer") return this.#seen({ place, kinship }, asked, nowMs);
    if (asked.port === 0) return NOTHING_YET;
    const own = connectionOf(asked);
    const ownPlace = this.#find(own);
    return this.#seen({ place: ownPlace, kinship: this.#kinship(ownPlace, own, nowMs) }, own, nowMs);
  }

  #seen(
    { place, kinship }: { readonly place: number; readonly kinship: Kinship },
    asked: AskedContent,
    nowMs: number,
  ): RecentRequest {
    if (kinship === "first" || kinship === "other-customer") return NOTHING_YET;
    const tried = this.#tried[place]!;
    const repeats = this.#repeats[place]!;
    const isCertain = kinship === "certain-repeat";
    if (kinship === "other-range") {
      const isOriginDue = repeats >= REPEATS_BEFORE_ORIGIN && !this.#has(place, WAS_SERVED | IS_CROWD);
      return { tried, isRepeated: false, isCertain, isOriginDue };
    }
    const isOriginDue = isCertain
      ? repeats + 1 >= REPEATS_BEFORE_ORIGIN
      : this.#isOneCustomers(place, { isShared: kinship === "repeat-at-shared", nowMs });
    return { tried, isRepeated: kinship !== "repeat-at-shared", isCertain, isOriginDue };
  }

  /** Whether what looked like a repeat lately turned out to be other customers. */
  isShared(asked: AskedKey, nowMs: number): boolean {
    const place = this.#find(asked);
    if (place !== NOBODY && this.#has(place, IS_CROWD)) return true;
    return this.#shared.get(asked.customer, nowMs) === true;
  }

  #kinship(place: number, asked: AskedContent, nowMs: number): Kinship {
    if (place === NOBODY || nowMs - this.#atMs[place]! > REPEAT_WINDOW_MS) return "first";
    if (this.#ranges[place] !== shortRange(asked.range)) return "other-range";
    if (this.#has(place, WAS_SERVED)) return "other-customer";
    if (asked.port !== 0 && asked.port === this.#ports[place]) return "certain-repeat";
    if (this.#has(place, IS_CROWD) || this.#agents[place] !== agentHash(asked.agent)) return "other-customer";
    const redirects = this.#repeats[place]! + 1;
    if (redirects >= CROWD_REDIRECTS && this.#isQuick(place, redirects, nowMs)) return "other-customer";
    return this.#shared.get(asked.customer, nowMs) === true ? "repeat-at-shared" : "repeat";
  }

  /** Whether the next request of a chain could be another try of the customer that began it, who should be done with volunteers by now. */
  #isOneCustomers(place: number, { isShared, nowMs }: { readonly isShared: boolean; readonly nowMs: number }): boolean {
    const repeats = this.#repeats[place]! + 1;
    if (repeats < (isShared ? SHARED_REPEATS_BEFORE_ORIGIN : REPEATS_BEFORE_ORIGIN)) return false;
    return !this.#isQuick(place, repeats, nowMs);
  }

  #isQuick(place: number, repeats: number, nowMs: number): boolean {
    return nowMs - this.#sinceMs[place]! < repeats * QUICKEST_RETRY_MS;
  }

  #has(place: number, shown: number): boolean {
    return (this.#shown[place]! & shown) !== 0;
  }

  /** The customer is sent to a volunteer. */
  noteRedirect(asked: AskedContent, volunteer: string, nowMs: number): void {
    if (!this.#note(asked, volunteer, nowMs)) return;
    this.#noteCrowd(this.#find(asked), asked, nowMs);
    // What a crowd asks says nothing of one of them, but what came over the same connection does.
    if (asked.port !== 0) this.#note(connectionOf(asked), volunteer, nowMs);
  }

  /** True: it was another customer's than the one before. */
  #note(asked: AskedContent, volunteer: string, nowMs: number): boolean {
    const known = this.#find(asked);
    const kinship = this.#kinship(known, asked, nowMs);
    const place = known === NOBODY ? this.#takeOldest(asked) : known;
    if (kinship === "first" || kinship === "other-customer") {
      this.#tried[place] = this.#listOf(volunteer);
      this.#repeats[place] = 0;
    } else {
      this.#tried[place] = [...this.#tried[known]!.filter((id) => id !== volunteer), volunteer].slice(-MAX_TRIED);
      if (kinship !== "other-range") this.#repeats[place] = Math.min(MOST_REPEATS, this.#repeats[known]! + 1);
    }
    if (kinship === "first") {
      this.#shown[place] = 0;
      this.#sinceMs[place] = nowMs;
    }
    this.#noteLast(place, asked, nowMs);
    return kinship === "other-customer";
  }

  /** Told once per chain. */
  #noteCrowd(place: number, { customer }: AskedKey, nowMs: number): void {
    if (this.#has(place, IS_CROWD)) return;
    this.#shown[place] = this.#shown[place]! | IS_CROWD;
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
      if (place === NOBODY || nowMs - this.#atMs[place]! > REPEAT_WINDOW_MS) continue;
      this.#shown[place] = this.#shown[place]! | WAS_SERVED;
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

import { hash } from "node:crypto";
import type { ContentId } from "../core/content-id.ts";

/** What a customer did about a content within the last seconds. */
export interface RecentRequest {
  /** Volunteers that it was sent to, the last one last. */
  readonly tried: readonly string[];
  /** It asked for the very same again: the last choice did not help. */
  readonly isRepeated: boolean;
  /** Another volunteer did not help either: central serves it now. */
  readonly isOriginDue: boolean;
}

/** Clients that try again do so within seconds: curl after 1, 2 and 4, wget after up to 10. */
const REPEAT_WINDOW_MS = 10_000;
/** So many repeats in a row mean central; then it begins anew, since behind one address there may be a thousand machines. */
const REPEATS_BEFORE_ORIGIN = 2;
/** Whoever asks for many different contents only shortens the memory (row T06). A power of two: hashes are cut to it. */
const MOST_REQUESTS = 65_536;
const MAX_TRIED = 8;
const NOBODY = -1;
const DIGEST_BYTES = 32;
/** Longer ones are kept as their hash. */
const MAX_RANGE_LENGTH = 64;

const NOTHING_YET: RecentRequest = { tried: [], isRepeated: false, isOriginDue: false };

/**
 * Requests of the last 10 s by customer and content. The same again means that the choice failed; another
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
  readonly #repeats: Uint8Array;
  readonly #atMs: Float64Array;
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
    this.#atMs = new Float64Array(places);
    this.#next = new Int32Array(places).fill(NOBODY);
    this.#first = new Int32Array(places).fill(NOBODY);
    this.#newer = Int32Array.from({ length: places + 1 }, (_, place) => (place === places ? 0 : place + 1));
    this.#older = Int32Array.from({ length: places + 1 }, (_, place) => (place === 0 ? places : place - 1));
  }

  /** @param asked `customer`: whoever counts as one; `range`: the header as it came */
  look(asked: AskedContent, nowMs: number): RecentRequest {
    const place = this.#find(asked);
    if (place === NOBODY || nowMs - this.#atMs[place]! > REPEAT_WINDOW_MS) return NOTHING_YET;
    const isRepeated = this.#ranges[place] === shortRange(asked.range);
    const repeats = this.#repeats[place]! + (isRepeated ? 1 : 0);
    return { tried: this.#tried[place]!, isRepeated, isOriginDue: repeats >= REPEATS_BEFORE_ORIGIN };
  }

  /** The customer is sent to a volunteer. */
  noteRedirect(asked: AskedContent, volunteer: string, nowMs: number): void {
    const known = this.#find(asked);
    const place = known === NOBODY ? this.#takeOldest(asked) : known;
    const range = shortRange(asked.range);
    if (known !== NOBODY && nowMs - this.#atMs[known]! <= REPEAT_WINDOW_MS) {
      this.#tried[place] = [...this.#tried[known]!.filter((id) => id !== volunteer), volunteer].slice(-MAX_TRIED);
      if (this.#ranges[known] === range) this.#repeats[place] = Math.min(255, this.#repeats[known]! + 1);
    } else {
      this.#tried[place] = this.#listOf(volunteer);
      this.#repeats[place] = 0;
    }
    // A copy of its own: the header as it came keeps all of the head in memory that it was cut from.
    if (this.#ranges[place] !== range) this.#ranges[place] = range && Buffer.from(range, "latin1").toString("latin1");
    this.#atMs[place] = nowMs;
    this.#moveBehind(place, this.#older[this.#mask + 1]!);
  }

  /** The place of what is forgotten for this one. */
  #takeOldest(asked: AskedContent): number {
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

  /** Central served the customer itself. */
  noteServed(asked: AskedContent): void {
    const place = this.#find(asked);
    if (place === NOBODY) return;
    this.#remove(place);
    this.#moveBehind(place, this.#mask + 1);
  }

  #find(asked: AskedContent): number {
    const hashed = this.#hashOf(asked);
    let place = this.#first[hashed & this.#mask]!;
    while (place !== NOBODY && !(this.#hashes[place] === hashed && this.#isOf(place, asked))) {
      place = this.#next[place]!;
    }
    return place;
  }

  #isOf(place: number, { customer, content }: AskedContent): boolean {
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
  #hashOf({ customer, content }: AskedContent): number {
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
  /** Not empty. */
  readonly customer: string;
  readonly content: ContentId;
  readonly range: string | undefined;
}

/** What tells one `Range` from another, of bounded length. */
function shortRange(range: string | undefined): string | undefined {
  return range === undefined || range.length <= MAX_RANGE_LENGTH ? range : hash("sha256", range, "base64");
}

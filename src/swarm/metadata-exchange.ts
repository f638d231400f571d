import type { Clock, Random } from "../core/clock.ts";
import { DictionaryTurns, dictionaryWaitMs, maxDictionaryBytes } from "./dictionary-turns.ts";
import { METADATA_BLOCK_BYTES, MetadataFetch } from "./metadata-fetch.ts";
import type { SwarmBundle } from "./ports.ts";
import type { SessionPeer } from "./session-peer.ts";

/** Requests for blocks of the info dictionary that one peer may have waiting: all of a dictionary of 16 MiB. */
const MAX_WAITING = 1024;
/** Blocks asked for at a time. */
const METADATA_DEPTH = 8;
/** A peer that sends nothing for so long after it was asked is not waited for any more: the origin is asked as well, or another… */
const FIRST_BLOCK_MS = 1_000;
/** …and after its first block for so long… */
const NEXT_BLOCK_MS = 3_000;
/** …or if all of it would take as long as this, and four times what the origin may let us wait. */
const PATIENCE_MS = 15_000;
/** What is asked for at others as well shares the line with it. */
const FETCHES_AT_ONCE = 3;
/** A peer may lose its connection, as both sides called each other, and come again; more often it wastes time. */
const ASKED_AT_MOST = 3;
/** Above the mark at which the wire reports that it drained, else nobody would go on. */
const QUEUED_BYTES_MARK: number = 512 * 1024;

interface PeerFetch {
  readonly fetch: MetadataFetch;
  readonly startMs: number;
  progressMs: number;
}

/** Whom a fetched dictionary, or the end of waiting for it, is told. */
export interface MetadataWish {
  /** Gets the verified dictionary, once. */
  readonly onFetched: (dictionary: Uint8Array) => void;
  /** Peers did not give it: no block came for `silenceMs`, or all of it takes too long. Nothing is fetched any more. */
  readonly onFailed: () => void;
  /** On top of what the origin may let us wait, once it was asked. */
  readonly silenceMs: number;
}

export interface MetadataExchangeOptions {
  readonly bundle: SwarmBundle;
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks finds it soon at somebody else, too. */
  readonly isOrigin: boolean;
  readonly onBadPeer: (peer: SessionPeer) => void;
}

/**
 * BEP 9 both ways for one bundle: gives the info dictionary to peers, and gets it from one peer after another, from the origin
 * last. Who was asked and is slow may still be the first to have given all of it.
 */
export class MetadataExchange {
  readonly #options: MetadataExchangeOptions;
  readonly #turns: DictionaryTurns | undefined;
  /** How long the origin may let a volunteer wait. */
  readonly #waitMs: number;
  /** For all of it. */
  readonly #patienceMs: number;
  #dictionary: Promise<Uint8Array | undefined> | undefined;
  readonly #fetches = new Map<SessionPeer, PeerFetch>();
  /** How often each was asked, by its id. */
  readonly #asked = new Map<string, number>();
  #wish: MetadataWish | undefined;
  #isOriginAsked = false;
  /** Of the wish. */
  #startMs = 0;
  /** A block came, or a first peer, or the origin, was asked. */
  #progressMs = 0;

  constructor(options: MetadataExchangeOptions) {
    this.#options = options;
    this.#waitMs = dictionaryWaitMs(options.bundle.layout);
    this.#patienceMs = PATIENCE_MS + 4 * this.#waitMs;
    this.#turns = options.isOrigin ? new DictionaryTurns(this.#waitMs) : undefined;
  }

  get isFetching(): boolean {
    return this.#wish !== undefined;
  }

  requested(peer: SessionPeer, index: number): void {
    const { metadataWaiting: waiting } = peer;
    if (waiting.includes(index)) return;
    if (waiting.length >= MAX_WAITING) return peer.wire.sendMetadataReject(index);
    if (waiting.length === 0) peer.lacksMetadata = peer.wire.metadataSizeBytes === undefined;
    waiting.push(index);
    if (waiting.length === 1) void this.serve(peer);
  }

  /** Sends waiting blocks as far as the socket takes them, if it is the peer's turn. */
  async serve(peer: SessionPeer): Promise<void> {
    if (peer.metadataWaiting.length === 0 || !this.#isItsTurn(peer)) return;
    this.#dictionary ??= this.#options.bundle.infoDictionary().catch(() => undefined);
    const dictionary = await this.#dictionary;
    while (peer.metadataWaiting.length > 0 && peer.wire.queuedBytes < QUEUED_BYTES_MARK) {
      const index = peer.metadataWaiting.shift()!;
      const start = index * METADATA_BLOCK_BYTES;
      if (dictionary === undefined || start >= dictionary.length) peer.wire.sendMetadataReject(index);
      else {
        const block = dictionary.subarray(start, start + METADATA_BLOCK_BYTES);
        peer.wire.sendMetadataBlock(index, dictionary.length, block);
      }
    }
  }

  /** Looks after those that wait for their turn. */
  serveWaiting(peers: Iterable<SessionPeer>): void {
    if (this.#turns === undefined) return;
    for (const peer of peers) {
      if (peer.metadataWaiting.length === 0 || peer.isGivenMetadata) continue;
      const hasFound = peer.lacksMetadata && peer.wire.metadataSizeBytes !== undefined;
      if (hasFound) this.#rejectAll(peer);
      else void this.serve(peer);
    }
  }

  /** Lets go of the dictionary in memory, or of its absence; it is read again when a peer asks. */
  forget(): void {
    this.#dictionary = undefined;
  }

  start(wish: MetadataWish): void {
    this.#wish = wish;
    this.#asked.clear();
    this.#isOriginAsked = false;
    this.#fetches.clear();
    this.#startMs = this.#progressMs = this.#nowMs;
  }

  stop(): void {
    this.#wish = undefined;
    this.#fetches.clear();
  }

  /** Ends a wish that nobody can grant any more. */
  fail(): void {
    const wish = this.#wish;
    this.stop();
    wish?.onFailed();
  }

  /** Asks one more peer if none is at it; call whenever a peer joined or time went by. */
  advance(peers: Iterable<SessionPeer>): void {
    if (this.#wish === undefined) return;
    const nowMs = this.#nowMs;
    if (this.#isHopeless(this.#wish, nowMs)) return this.fail();
    if (this.#fetches.size >= FETCHES_AT_ONCE) return;
    if (this.#fetches.entries().some(([peer, fetch]) => this.#isAtIt(peer, fetch, nowMs))) return;
    const peer = this.#choose(peers);
    if (peer === undefined) return;
    if (this.#asked.size === 0 || (peer.isOrigin && !this.#isOriginAsked)) this.#progressMs = nowMs;
    this.#isOriginAsked ||= peer.isOrigin;
    this.#asked.set(peer.peerId, (this.#asked.get(peer.peerId) ?? 0) + 1);
    const fetch = new MetadataFetch(this.#options.bundle.infoHash, peer.wire.metadataSizeBytes!);
    this.#fetches.set(peer, { fetch, startMs: nowMs, progressMs: nowMs });
    for (let i = 0; i < METADATA_DEPTH; i++) askNext(peer, fetch);
  }

  received(peer: SessionPeer, index: number, bytes: Uint8Array | undefined): void {
    const current = this.#fetches.get(peer);
    if (current === undefined) return;
    const outcome = bytes === undefined ? "refused" : current.fetch.receive(index, bytes);
    if (outcome === "more") {
      current.progressMs = this.#progressMs = this.#nowMs;
      return askNext(peer, current.fetch);
    }
    this.#fetches.delete(peer);
    if (outcome === "bad") this.#options.onBadPeer(peer);
    if (typeof outcome === "string") return void this.#asked.set(peer.peerId, ASKED_AT_MOST);
    const wish = this.#wish;
    this.stop();
    wish?.onFetched(outcome);
  }

  disconnected(peer: SessionPeer): void {
    this.#fetches.delete(peer);
    if (peer.isOrigin) this.#isOriginAsked = false;
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #isHopeless({ silenceMs }: MetadataWish, nowMs: number): boolean {
    const waitMs = this.#isOriginAsked ? this.#waitMs : 0;
    return nowMs - this.#progressMs > silenceMs + waitMs || nowMs - this.#startMs > this.#patienceMs;
  }

  /** Is it worth waiting for? The origin may let us wait until somebody else can give it. */
  #isAtIt(peer: SessionPeer, { fetch, startMs, progressMs }: PeerFetch, nowMs: number): boolean {
    const { share } = fetch;
    if (share === 0) return !peer.isOrigin && nowMs - startMs <= FIRST_BLOCK_MS;
    return nowMs - progressMs <= NEXT_BLOCK_MS && (nowMs - startMs) / share <= this.#patienceMs;
  }

  /** Any that offers it, the origin last; but before a second one if the first does not give it. */
  #choose(peers: Iterable<SessionPeer>): SessionPeer | undefined {
    const maxBytes = maxDictionaryBytes(this.#options.bundle.layout);
    const offering = [...peers].filter((peer) => {
      const { metadataSizeBytes = Infinity } = peer.wire;
      const isNew = !this.#fetches.has(peer) && (this.#asked.get(peer.peerId) ?? 0) < ASKED_AT_MOST;
      return isNew && metadataSizeBytes <= maxBytes;
    });
    const volunteers = offering.filter((peer) => !peer.isOrigin);
    const origin = offering.find((peer) => peer.isOrigin);
    if (origin !== undefined && this.#fetches.size > 0) return origin;
    return volunteers[Math.floor(this.#options.random() * volunteers.length)] ?? origin;
  }

  #isItsTurn(peer: SessionPeer): boolean {
    // A stock client can't say that it found it elsewhere.
    if (this.#turns === undefined || peer.isGivenMetadata || peer.wire.isStockClient) return true;
    const nowMs = this.#nowMs;
    peer.metadataAskedMs ??= nowMs;
    const hasWaited = nowMs - peer.metadataAskedMs >= this.#waitMs;
    peer.isGivenMetadata = this.#turns.mayServe(hasWaited, nowMs);
    return peer.isGivenMetadata;
  }

  #rejectAll(peer: SessionPeer): void {
    for (const index of peer.metadataWaiting.splice(0)) peer.wire.sendMetadataReject(index);
    peer.metadataAskedMs = undefined;
  }
}

function askNext(peer: SessionPeer, fetch: MetadataFetch): void {
  const index = fetch.nextIndex();
  if (index !== undefined) peer.wire.sendMetadataRequest(index);
}

import type { Clock } from "../core/clock.ts";
import { MAX_METADATA_BYTES, METADATA_BLOCK_BYTES, MetadataFetch } from "./metadata-fetch.ts";
import type { SwarmBundle } from "./ports.ts";
import type { SessionPeer } from "./session-peer.ts";

/** Requests for blocks of the info dictionary that one peer may have waiting: all of a dictionary of 16 MiB. */
const MAX_WAITING = 1024;
/** Blocks asked for at a time. */
const METADATA_DEPTH = 8;
/** A peer that sends nothing for so long is passed over. */
const METADATA_SILENCE_MS = 10_000;
/** Above the mark at which the wire reports that it drained, else nobody would go on. */
const QUEUED_BYTES_MARK: number = 512 * 1024;

interface CurrentFetch {
  readonly peer: SessionPeer;
  readonly fetch: MetadataFetch;
  progressMs: number;
}

/** BEP 9 both ways for one bundle: gives the info dictionary to peers, and gets it from one peer after another. */
export class MetadataExchange {
  readonly #bundle: SwarmBundle;
  readonly #clock: Clock;
  #dictionary: Promise<Uint8Array | undefined> | undefined;
  #current: CurrentFetch | undefined;
  readonly #triedKeys = new Set<number>();
  #onFetched: ((dictionary: Uint8Array) => void) | undefined;
  readonly #onBadPeer: (peer: SessionPeer) => void;

  constructor(bundle: SwarmBundle, clock: Clock, onBadPeer: (peer: SessionPeer) => void) {
    this.#bundle = bundle;
    this.#clock = clock;
    this.#onBadPeer = onBadPeer;
  }

  get isFetching(): boolean {
    return this.#onFetched !== undefined;
  }

  requested(peer: SessionPeer, index: number): void {
    if (peer.metadataWaiting.length >= MAX_WAITING) return peer.wire.sendMetadataReject(index);
    peer.metadataWaiting.push(index);
    if (peer.metadataWaiting.length === 1) void this.serve(peer);
  }

  /** Sends waiting blocks as far as the socket takes them. */
  async serve(peer: SessionPeer): Promise<void> {
    if (peer.metadataWaiting.length === 0) return;
    this.#dictionary ??= this.#bundle.infoDictionary().catch(() => undefined);
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

  /** Lets go of the dictionary in memory; it is read again when a peer asks. */
  forget(): void {
    this.#dictionary = undefined;
  }

  /** @param onFetched gets the verified dictionary, once */
  start(onFetched: (dictionary: Uint8Array) => void): void {
    this.#onFetched = onFetched;
    this.#triedKeys.clear();
  }

  stop(): void {
    this.#onFetched = undefined;
    this.#current = undefined;
  }

  /** Chooses a peer to fetch from if none is at it; call whenever a peer joined or time went by. */
  advance(peers: Iterable<SessionPeer>): void {
    if (this.#onFetched === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    if (this.#current !== undefined && nowMs - this.#current.progressMs <= METADATA_SILENCE_MS) return;
    this.#current = undefined;
    for (const peer of peers) {
      const sizeBytes = peer.wire.metadataSizeBytes;
      if (sizeBytes === undefined || sizeBytes > MAX_METADATA_BYTES || this.#triedKeys.has(peer.key)) continue;
      this.#triedKeys.add(peer.key);
      const fetch = new MetadataFetch(this.#bundle.infoHash, sizeBytes);
      this.#current = { peer, fetch, progressMs: nowMs };
      for (let i = 0; i < METADATA_DEPTH; i++) this.#askNext(this.#current);
      return;
    }
  }

  received(peer: SessionPeer, index: number, bytes: Uint8Array | undefined): void {
    const current = this.#current;
    if (current?.peer !== peer) return;
    current.progressMs = this.#clock.monotonicMs();
    const outcome = bytes === undefined ? "refused" : current.fetch.receive(index, bytes);
    if (outcome === "more") return this.#askNext(current);
    this.#current = undefined;
    if (outcome === "bad") this.#onBadPeer(peer);
    if (typeof outcome === "string") return;
    const onFetched = this.#onFetched;
    this.stop();
    onFetched?.(outcome);
  }

  disconnected(peer: SessionPeer): void {
    if (this.#current?.peer === peer) this.#current = undefined;
  }

  #askNext({ peer, fetch }: CurrentFetch): void {
    const index = fetch.nextIndex();
    if (index !== undefined) peer.wire.sendMetadataRequest(index);
  }
}

import type { Bitfield } from "../core/bitfield.ts";
import type { Clock, Random } from "../core/clock.ts";
import type { DownloadEffect } from "./download-effect.ts";
import { SwarmError } from "./errors.ts";
import { HaveBatch } from "./have-batch.ts";
import type { SessionBandwidth } from "./host-bandwidth.ts";
import { idleReason } from "./idle-rule.ts";
import { MetadataExchange } from "./metadata-exchange.ts";
import { OriginLedger } from "./origin-ledger.ts";
import type { PeerOffences } from "./peer-offences.ts";
import { PieceHomes } from "./piece-homes.ts";
import { PeerUploads } from "./peer-uploads.ts";
import type { SwarmBundle, WantedRanges } from "./ports.ts";
import { type DownloadCall, RunningDownload, type SourcePatience } from "./running-download.ts";
import { SessionPeer } from "./session-peer.ts";
import { type SiteView, withoutHomes } from "./site-view.ts";
import type { SwarmLog } from "./swarm-log.ts";
import { UnchokeSlots } from "./unchoke-slots.ts";
import type { PeerWire, PeerWireListener } from "./wire/peer-wire.ts";

/** How often {@link BundleSession.tick} wants to be called while it has connections or a download. */
export const TICK_MS = 100;

export interface BundleSessionOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: SwarmLog;
  /** Shared by all bundles of the program. */
  readonly offences: PeerOffences;
  readonly isOrigin: boolean;
  readonly patience: SourcePatience;
  /** Undefined if nothing is limited. */
  readonly bandwidth?: SessionBandwidth;
  /** Acts once all that came in one turn (a chunk of a socket holds many frames) was heard. */
  readonly defer: (act: () => void) => void;
  /** Payload was sent. */
  readonly onUploaded: (bytes: number, peerId: string) => void;
  /** Payload that was asked for came. */
  readonly onDownloaded: (bytes: number, peerId: string) => void;
  /** This program's peer id. */
  readonly ownId: string;
  readonly sites: SiteView;
  /** Nobody but the origin is known of. */
  readonly isAlone?: () => boolean;
}

/**
 * One bundle that is talked about: its connections, its download if there is one, its uploads. Reacts to what peers say
 * and to {@link tick}; owns no socket and no timer, so the simulator runs it as it is.
 */
export class BundleSession {
  readonly bundle: SwarmBundle;
  readonly #options: BundleSessionOptions;
  readonly #peers = new Map<number, SessionPeer>();
  readonly #uploads: PeerUploads;
  readonly #slots: UnchokeSlots;
  readonly #metadata: MetadataExchange;
  readonly #haves = new HaveBatch();
  readonly #sites: SiteView;
  #running: RunningDownload | undefined;
  #nextKey = 1;
  /** Length of an info dictionary that came after the session began. */
  #offeredBytes: number | undefined;

  constructor(bundle: SwarmBundle, options: BundleSessionOptions) {
    this.bundle = bundle;
    this.#options = options;
    // Metadata is fetched before the tracker knows who fetches at all.
    this.#sites = bundle.isMetadata === true ? withoutHomes(options.sites) : options.sites;
    const ledger = options.isOrigin ? new OriginLedger() : undefined;
    const { clock, log, defer, onUploaded } = options;
    const budget = options.bandwidth?.upload;
    this.#uploads = new PeerUploads(this.#peers, { bundle, clock, log, ledger, budget, defer, onUploaded });
    this.#slots = new UnchokeSlots(this.#peers, {
      random: options.random,
      pieceLength: bundle.layout.pieceLength,
      siteServed: (peer) => this.#siteServed(peer),
      isTaking: (peer, nowMs) => this.#uploads.isTaking(peer, nowMs),
      onChoked: (peer) => this.#uploads.choke(peer),
    });
    this.#metadata = new MetadataExchange({
      bundle,
      clock,
      random: options.random,
      // Of metadata nobody is known who could give it: it is fetched before the tracker is asked.
      isOrigin: options.isOrigin && bundle.isMetadata !== true,
      onBadPeer: (peer) => this.#offence(peer.peerId),
    });
  }

  get peers(): Iterable<SessionPeer> {
    return this.#peers.values();
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  get isDownloading(): boolean {
    return this.#running !== undefined;
  }

  /** Somebody here waits for something that peers have. */
  get isWanting(): boolean {
    return this.isDownloading || this.#metadata.isFetching;
  }

  /** Do sites share the work at their borders for this bundle? */
  get sharesWork(): boolean {
    return PieceHomes.exist(this.bundle.layout.pieceCount, this.#sites);
  }

  /** Is the origin needed to go on? */
  get needsOrigin(): boolean {
    return this.#metadata.isFetching || this.#running?.state.needsOrigin(this.#nowMs) === true;
  }

  /** A connection was admitted; what it says goes to the returned listener. */
  join(wire: PeerWire): PeerWireListener {
    const nowMs = this.#nowMs;
    const key = this.#nextKey++;
    const peer = new SessionPeer({ key, wire, pieceCount: this.bundle.layout.pieceCount, nowMs });
    this.#peers.set(key, peer);
    if (wire.site !== undefined) this.#sites.met(peer.peerId, wire.site);
    wire.sendHeld(this.bundle.held);
    // It may have come while the connection was being made.
    if (this.#offeredBytes !== undefined) wire.sendMetadataSize(this.#offeredBytes);
    if (this.#running !== undefined) this.#run(this.#running.state.addPeer(peer, nowMs));
    this.#metadata.advance(this.peers);
    return this.#listen(peer);
  }

  /**
   * Fetches what is wanted; resolves when all of it is verified. Parts of pieces that are held are left out.
   * @throws SwarmError `no-source`; `busy` if this bundle is being downloaded; the reason of the signal; errors of storage
   */
  async download(wanted: WantedRanges, call: DownloadCall = {}): Promise<void> {
    call.signal?.throwIfAborted();
    const { number, layout, held } = this.bundle;
    if (this.#running !== undefined) throw new SwarmError("busy", `bundle ${number} is being downloaded already`);
    const lacking = new Map([...wanted].filter(([piece, ranges]) => !held.has(piece) && !ranges.isEmpty));
    if (lacking.size === 0) return;
    const { random, patience, bandwidth, ownId, isAlone } = this.#options;
    const facts = { layout, wanted: lacking, random, patience, ownId, bundleNumber: number, nowMs: this.#nowMs };
    const options = { ...facts, sites: this.#sites, isAlone, budget: bandwidth?.download, ...call };
    const running = new RunningDownload(options);
    this.#running = running;
    const abort = (): void => this.#finish(running, { error: call.signal?.reason });
    call.signal?.addEventListener("abort", abort, { once: true });
    for (const peer of this.#peers.values()) this.#run(running.state.addPeer(peer, this.#nowMs));
    try {
      await running.done;
    } finally {
      call.signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * The info dictionary (BEP 9), checked against the info hash.
   * @param signal ends the waiting
   * @throws SwarmError `no-source` once no block of it came for `silenceMs` and, if the origin was asked, what that may let us wait, or all of it
   * takes longer than 15 s and four times that wait; `busy`; the signal's reason
   */
  async fetchInfoDictionary(signal: AbortSignal, silenceMs: number = Infinity): Promise<Uint8Array> {
    signal.throwIfAborted();
    const { number } = this.bundle;
    if (this.#metadata.isFetching)
      throw new SwarmError("busy", `the info dictionary of bundle ${number} is being fetched already`);
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const abort = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    signal.addEventListener("abort", abort, { once: true });
    const onFailed = (): void =>
      reject(new SwarmError("no-source", `nobody gave the info dictionary of bundle ${number}`));
    this.#metadata.start({ onFetched: resolve, onFailed, silenceMs });
    this.#metadata.advance(this.peers);
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
      this.#metadata.stop();
    }
  }

  /** The bundle has its info dictionary now: peers that lack it may ask for it. */
  offerInfoDictionary(sizeBytes: number): void {
    this.#offeredBytes = sizeBytes;
    this.#metadata.forget();
    for (const { wire } of this.#peers.values()) {
      // The origin may have put it off to give it to us.
      if (wire.isOrigin || wire.metadataSizeBytes === undefined) wire.sendMetadataSize(sizeBytes);
    }
  }

  /** A piece became held otherwise than by {@link download}. */
  announceHave(piece: number): void {
    this.bundle.held.set(piece);
    this.#haves.add(piece, this.#nowMs);
  }

  /** Call every {@link TICK_MS}. */
  tick(): void {
    const nowMs = this.#nowMs;
    this.#announceHaves(nowMs);
    this.#slots.tick(nowMs);
    this.#metadata.advance(this.peers);
    this.#metadata.serveWaiting(this.peers);
    if (this.#options.bandwidth !== undefined) this.#uploads.pump();
    for (const peer of [...this.#peers.values()]) {
      const reason = idleReason(peer, this.isWanting, nowMs);
      if (reason !== undefined) peer.wire.close(reason);
    }
    const running = this.#running;
    if (running === undefined) return;
    const { effects, failure } = running.tick(nowMs);
    this.#run(effects);
    if (failure !== undefined) this.#finish(running, { error: failure });
  }

  /** Closes all connections; a download fails with the reason. */
  close(reason: string): void {
    this.#options.bandwidth?.download?.leave();
    this.#metadata.fail();
    if (this.#running !== undefined) this.#finish(this.#running, { error: new SwarmError("no-source", reason) });
    for (const peer of [...this.#peers.values()]) peer.wire.close(reason);
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #listen(peer: SessionPeer): PeerWireListener {
    const { key } = peer;
    const download = (): RunningDownload["state"] | undefined => this.#running?.state;
    return {
      onHeld: (held) => this.#peerHolds(peer, held),
      onHave: (piece) => {
        if (peer.held.set(piece)) this.#run(download()?.peerHas(key, piece, this.#nowMs));
      },
      onDontHave: (piece) => {
        if (peer.held.clear(piece)) this.#run(download()?.peerLost(key, piece));
      },
      onChoke: () => {
        peer.isChoking = true;
      },
      onUnchoke: () => {
        peer.isChoking = false;
        peer.isExhausted = false;
        this.#run(download()?.peerUnchoked(key, this.#nowMs));
      },
      onInterested: () => this.#interestChanged(peer, true),
      onUninterested: () => this.#interestChanged(peer, false),
      onRequest: (request) => this.#uploads.request(peer, request),
      onCancel: (request) => this.#uploads.cancel(peer, request),
      onBlock: (piece, offset, bytes) => {
        peer.activeMs = this.#nowMs;
        this.#options.onDownloaded(bytes.length, peer.peerId);
        this.#run(download()?.arrived(key, { piece, offset, bytes }, peer.activeMs));
      },
      onReject: (request) => this.#run(download()?.rejected(key, request, this.#nowMs)),
      onMetadataRequest: (index) => this.#metadata.requested(peer, index),
      onMetadataBlock: (index, bytes) => this.#metadata.received(peer, index, bytes),
      onDrain: () => {
        this.#uploads.pump();
        void this.#metadata.serve(peer);
      },
      onClose: () => this.#left(peer),
    };
  }

  #peerHolds(peer: SessionPeer, held: Bitfield): void {
    if (this.#running === undefined) peer.held = held;
    else this.#run(this.#running.state.peerHolds(peer.key, held, this.#nowMs));
  }

  #left(peer: SessionPeer): void {
    if (!this.#peers.delete(peer.key)) return;
    this.#uploads.disconnected(peer.key);
    this.#metadata.disconnected(peer);
    if (this.#running !== undefined) this.#run(this.#running.state.removePeer(peer.key, this.#nowMs));
    this.#slots.left(peer, this.#nowMs);
  }

  #run(effects: readonly DownloadEffect[] = []): void {
    for (const effect of effects) {
      if (effect.kind === "write") this.#write(effect);
      else if (effect.kind === "check") void this.#check(effect.piece);
      else if (effect.kind === "offence") this.#offence(effect.peerId);
      else this.#say(effect);
    }
  }

  #say(effect: Extract<DownloadEffect, { peer: number }>): void {
    const peer = this.#peers.get(effect.peer);
    if (peer === undefined) return;
    if (effect.kind === "request") peer.wire.sendRequest(effect.request);
    else if (effect.kind === "cancel") peer.wire.sendCancel(effect.request);
    else if (effect.isInterested) peer.wire.sendInterested();
    else peer.wire.sendUninterested();
  }

  #write({ progress, offset, bytes }: Extract<DownloadEffect, { kind: "write" }>): void {
    const running = this.#running;
    const lengthBytes = bytes.length;
    const written = (): void => {
      if (running?.isSettled === false) this.#run(running.state.written(progress, lengthBytes, this.#nowMs));
    };
    const failed = (error: unknown): void => {
      if (running !== undefined) this.#finish(running, { error });
    };
    try {
      const pending = this.bundle.storage.writeBlock(progress.piece, offset, bytes);
      if (pending === undefined) written();
      else pending.then(written).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  async #check(piece: number): Promise<void> {
    const running = this.#running;
    try {
      const outcome = await this.bundle.storage.completePiece(piece);
      if (outcome === "verified") this.announceHave(piece);
      else this.#options.log.info({ bundle: this.bundle.number, piece }, "piece failed its hash");
      if (running?.isSettled !== false) return;
      this.#run(running.state.checked(piece, outcome, this.#nowMs));
      if (outcome === "verified") running.report();
      if (running.state.isComplete) this.#finish(running, undefined);
    } catch (error) {
      if (running !== undefined) this.#finish(running, { error });
    }
  }

  #finish(running: RunningDownload, failed: { readonly error: unknown } | undefined): void {
    if (running.isSettled) return;
    this.#running = undefined;
    if (failed === undefined) running.succeed();
    else running.fail(failed.error);
    this.#run(running.state.stop());
  }

  #offence(peerId: string): void {
    const isBanned = this.#options.offences.record(peerId);
    this.#options.log.warn({ bundle: this.bundle.number, peer: peerId, isBanned }, "peer sent wrong bytes");
    if (!isBanned) return;
    for (const peer of [...this.#peers.values()]) if (peer.peerId === peerId) peer.wire.close("banned");
  }

  /** The other site that the peer may bring pieces to. */
  #siteServed(peer: SessionPeer): string | undefined {
    if (peer.isOrigin || peer.wire.isStockClient) return undefined;
    const { isOrigin } = this.#options;
    const site = this.#sites.siteOf(peer.peerId);
    const isServed = isOrigin || !this.#sites.isNear(peer.peerId);
    // Only sites that the tracker named: of what volunteers call their site there may be any number.
    return isServed && PieceHomes.isHome(site, this.bundle.layout.pieceCount, this.#sites.border) ? site : undefined;
  }

  #interestChanged(peer: SessionPeer, isInterested: boolean): void {
    if (isInterested) peer.activeMs = this.#nowMs;
    this.#slots.interestChanged(peer, isInterested, this.#nowMs);
  }

  #announceHaves(nowMs: number): void {
    for (const piece of this.#haves.takeDue(nowMs)) {
      if (!this.bundle.held.has(piece)) continue;
      for (const peer of this.#peers.values()) if (!peer.held.has(piece)) peer.wire.sendHave(piece);
    }
  }
}

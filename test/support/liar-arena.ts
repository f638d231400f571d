import { Bitfield } from "../../src/core/bitfield.ts";
import type { BundleLayout } from "../../src/core/bundle-layout.ts";
import { type Random, seededRandom } from "../../src/core/clock.ts";
import { VirtualClock } from "../../src/sim/virtual-clock.ts";
import { Download } from "../../src/swarm/download.ts";
import type { DownloadEffect } from "../../src/swarm/download-effect.ts";
import type { DownloadPeer } from "../../src/swarm/download-peer.ts";
import { PeerOffences } from "../../src/swarm/peer-offences.ts";
import { PeerPipeline } from "../../src/swarm/peer-pipeline.ts";
import type { WantedRanges } from "../../src/swarm/ports.ts";
import { MinuteBudget } from "../../src/swarm/wire/minute-budget.ts";
import { type AnswerKind, AskedRequests } from "../../src/swarm/wire/asked-requests.ts";
import type { BlockRequest } from "../../src/swarm/wire/peer-wire.ts";
import { NOWHERE } from "./scripted-download.ts";

/** As net/socket-peer-wire.ts has it. */
const MAX_UNREQUESTED = 50;
/** As the gate has it: chokes and unchokes, haves beyond one per piece. */
const STATE_CHANGES_PER_MINUTE = 600;
const SPARE_HAVES = 1_000;
const TICK_MS = 100;

/** Somebody the download may be connected to. */
export interface Actor {
  readonly peerId: string;
  readonly isOrigin: boolean;
  readonly held: (pieceCount: number) => Bitfield;
  readonly connected?: (line: Line) => void;
  readonly interested: (line: Line) => void;
  readonly asked: (line: Line, request: BlockRequest) => void;
  readonly cancelled?: (line: Line, request: BlockRequest) => void;
}

export interface ArenaOptions {
  readonly layout: BundleLayout;
  readonly wanted: WantedRanges;
  readonly seed: number;
  /** A write or a check takes up to so long, at random. */
  readonly diskMs: number;
}

/** One connection as the download's side of the wire keeps it: what answers no open request never reaches the download. */
export class Line {
  readonly peer: DownloadPeer;
  readonly #arena: Arena;
  readonly #actor: Actor;
  readonly #asked = new Map<string, BlockRequest>();
  readonly #answers: AskedRequests;
  #unrequested = 0;
  #haves = 0;
  readonly #stateChanges = new MinuteBudget(STATE_CHANGES_PER_MINUTE);
  #isOpen = true;

  constructor(arena: Arena, actor: Actor, peer: DownloadPeer) {
    this.#arena = arena;
    this.#actor = actor;
    this.peer = peer;
    this.#answers = new AskedRequests(arena.pieceLength);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get actor(): Actor {
    return this.#actor;
  }

  /** What was asked over it and not yet answered or cancelled. */
  get openRequests(): BlockRequest[] {
    return [...this.#asked.values()];
  }

  ask(request: BlockRequest): void {
    if (this.peer.isChoking)
      return void this.#arena.later(0, () => this.#hear((d, n) => d.rejected(this.peer.key, request, n)));
    this.#asked.set(nameOf(request), request);
    this.#answers.add(request);
    this.#arena.later(0, () => {
      if (this.#isOpen) this.#actor.asked(this, request);
    });
  }

  cancel(request: BlockRequest): void {
    if (!this.#answers.cancel(request)) return;
    this.#asked.delete(nameOf(request));
    this.#actor.cancelled?.(this, request);
  }

  /** The peer answers with a block. */
  give(request: BlockRequest, isTrue: boolean): void {
    const { piece, offset, lengthBytes } = request;
    if (!this.#isOpen || !this.#isExpected(request, this.#answers.takeBlock(piece, offset, lengthBytes))) return;
    const bytes = new Uint8Array(request.lengthBytes);
    if (!isTrue) bytes[0] = 1;
    this.#hear((download, nowMs) => download.arrived(this.peer.key, { piece, offset, bytes }, nowMs));
  }

  reject(request: BlockRequest): void {
    if (!this.#isOpen || !this.#isExpected(request, this.#answers.takeReject(request))) return;
    this.#hear((download, nowMs) => download.rejected(this.peer.key, request, nowMs));
  }

  choke(): void {
    this.#changesState();
    this.peer.isChoking = true;
  }

  unchoke(): void {
    this.#changesState();
    this.peer.isChoking = false;
    this.peer.isExhausted = false;
    this.#hear((download, nowMs) => download.peerUnchoked(this.peer.key, nowMs));
  }

  have(piece: number): void {
    if (++this.#haves > this.peer.held.length + SPARE_HAVES) this.close();
    if (this.#isOpen && this.peer.held.set(piece))
      this.#hear((download, nowMs) => download.peerHas(this.peer.key, piece, nowMs));
  }

  dontHave(piece: number): void {
    if (this.#isOpen && this.peer.held.clear(piece)) this.#hear((download) => download.peerLost(this.peer.key, piece));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#arena.leave(this);
  }

  #hear(tell: (download: Download, nowMs: number) => DownloadEffect[]): void {
    if (this.#isOpen) this.#arena.run(tell);
  }

  #changesState(): void {
    if (!this.#stateChanges.spend(this.#arena.clock.monotonicMs())) this.close();
  }

  #isExpected(request: BlockRequest, kind: AnswerKind): boolean {
    if (kind === "open") this.#asked.delete(nameOf(request));
    if (kind === "unasked" && ++this.#unrequested > MAX_UNREQUESTED) this.close();
    return kind === "open";
  }
}

/** A download between peers under virtual time, with a disk that takes its time; what it must never do is an error at once. */
export class Arena {
  readonly clock: VirtualClock = new VirtualClock();
  readonly download: Download;
  readonly offences: PeerOffences = new PeerOffences(this.clock);
  /** Peers that were said to have given a wrong piece, in order. */
  readonly blamed: string[] = [];
  /** Blocks asked for, per connection and piece. */
  readonly askedBlocks: Map<string, number> = new Map();
  /** Bytes that were asked for in all. */
  requestedBytes = 0;
  readonly #options: ArenaOptions;
  readonly #random: Random;
  readonly #lines = new Map<number, Line>();
  /** Piece → offset → whether true bytes lie there. */
  readonly #disk = new Map<number, Map<number, boolean>>();
  #nextKey = 1;

  get pieceLength(): number {
    return this.#options.layout.pieceLength;
  }

  constructor(options: ArenaOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const { layout, wanted } = options;
    const nowMs = this.clock.monotonicMs();
    this.download = new Download({ layout, wanted, random: this.#random, nowMs, ...NOWHERE });
    this.#tick();
  }

  /** Seconds until all pieces are there; undefined if that takes longer than the limit. */
  async seconds(limitSeconds: number): Promise<number | undefined> {
    const isDone = await this.clock.runUntil(() => this.download.isComplete, limitSeconds);
    return isDone ? this.clock.passedSeconds : undefined;
  }

  later(delayMs: number, act: () => void): void {
    this.clock.schedule(delayMs, act);
  }

  /** Banned peers are not let in. */
  connect(actor: Actor): Line | undefined {
    if (this.offences.isBanned(actor.peerId)) return undefined;
    const nowMs = this.clock.monotonicMs();
    const peer: DownloadPeer = {
      key: this.#nextKey++,
      peerId: actor.peerId,
      isOrigin: actor.isOrigin,
      pipeline: new PeerPipeline(nowMs),
      isNear: true,
      held: new Bitfield(this.#options.layout.pieceCount),
      isChoking: true,
      isInteresting: false,
      usefulMs: nowMs,
      offeredCount: 0,
      isExhausted: false,
      hasNothingUrgent: false,
    };
    const line = new Line(this, actor, peer);
    this.#lines.set(peer.key, line);
    this.run((download) => download.addPeer(peer, nowMs));
    this.later(1, () => {
      if (!line.isOpen) return;
      this.run((download, now) => download.peerHolds(peer.key, actor.held(this.#options.layout.pieceCount), now));
      actor.connected?.(line);
    });
    return line;
  }

  leave(line: Line): void {
    this.#lines.delete(line.peer.key);
    this.run((download, nowMs) => download.removePeer(line.peer.key, nowMs));
  }

  run(tell: (download: Download, nowMs: number) => DownloadEffect[]): void {
    for (const effect of tell(this.download, this.clock.monotonicMs())) this.#carryOut(effect);
    const { receivedBytes, wantedBytes } = this.download.progress;
    if (receivedBytes > wantedBytes) throw new Error(`${receivedBytes} of ${wantedBytes} bytes received`);
  }

  #carryOut(effect: DownloadEffect): void {
    if (effect.kind === "write") this.later(this.#random() * this.#options.diskMs, () => this.#write(effect));
    else if (effect.kind === "check")
      this.later(this.#random() * this.#options.diskMs, () => this.#check(effect.piece));
    else if (effect.kind === "offence") this.#blame(effect.peerId);
    else this.#say(effect);
  }

  #say(effect: Extract<DownloadEffect, { peer: number }>): void {
    const line = this.#lines.get(effect.peer);
    if (line === undefined) return;
    if (effect.kind === "cancel") return line.cancel(effect.request);
    if (effect.kind === "interest") {
      if (effect.isInterested) this.later(1, () => line.actor.interested(line));
      return;
    }
    const name = `${line.peer.key} ${effect.request.piece}`;
    this.askedBlocks.set(name, (this.askedBlocks.get(name) ?? 0) + 1);
    this.requestedBytes += effect.request.lengthBytes;
    line.ask(effect.request);
  }

  #write({ progress, offset, bytes }: Extract<DownloadEffect, { kind: "write" }>): void {
    let blocks = this.#disk.get(progress.piece);
    if (blocks === undefined) this.#disk.set(progress.piece, (blocks = new Map<number, boolean>()));
    blocks.set(offset, bytes[0] === 0);
    this.run((download, nowMs) => download.written(progress, bytes.length, nowMs));
  }

  #check(piece: number): void {
    const isTrue = [...(this.#disk.get(piece)?.values() ?? [])].every(Boolean);
    this.#disk.delete(piece);
    this.run((download, nowMs) => download.checked(piece, isTrue ? "verified" : "mismatch", nowMs));
  }

  #blame(peerId: string): void {
    this.blamed.push(peerId);
    if (!this.offences.record(peerId)) return;
    for (const line of [...this.#lines.values()]) if (line.peer.peerId === peerId) line.close();
  }

  #tick(): void {
    this.run((download, nowMs) => download.tick(nowMs));
    this.later(TICK_MS, () => this.#tick());
  }
}

function nameOf({ piece, offset, lengthBytes }: BlockRequest): string {
  return `${piece} ${offset} ${lengthBytes}`;
}

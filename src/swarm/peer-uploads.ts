import type { CancelTimer, Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { BudgetClaim } from "./fair-budget.ts";
import type { OriginLedger } from "./origin-ledger.ts";
import type { SwarmBundle } from "./ports.ts";
import { ReadMemory } from "./read-memory.ts";
import type { SessionPeer } from "./session-peer.ts";
import type { SwarmLog } from "./swarm-log.ts";
import { UploadQueue, type UploadRead } from "./upload-queue.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** Bytes queued at a socket above which nothing more is read for it: with two reads on top it stays below 1 MiB. */
const QUEUED_BYTES_MARK: number = 512 * 1024;

/** A peer that asked for blocks and took none for so long will not spread them soon. */
const STALLED_MS = 5_000;
/** What was written to a socket may wait in the kernel: where twenty connections share a slow line, for seconds. Who has the piece says so. */
const LONGEST_IN_KERNEL_MS = 5_000;

export interface PeerUploadsOptions {
  readonly bundle: SwarmBundle;
  readonly clock: Clock;
  readonly log: SwarmLog;
  /** Only at the origin. */
  readonly ledger: OriginLedger | undefined;
  /** What is sent counts to it; undefined if nothing is limited. */
  readonly budget: BudgetClaim | undefined;
  /** Acts once all that came in one turn was heard. */
  readonly defer: (act: () => void) => void;
  /** Payload was handed to the peer's line, where a cancel may still take it back. */
  readonly onUploaded: (bytes: number, peerId: string) => void;
}

/** Answers the requests of a bundle's peers from storage, as far as their sockets take the bytes. */
export class PeerUploads {
  readonly #options: PeerUploadsOptions;
  readonly #queue = new UploadQueue();
  readonly #memory = new ReadMemory();
  readonly #peers: ReadonlyMap<number, SessionPeer>;
  #willPump = false;
  #cancelLook: CancelTimer | undefined;

  constructor(peers: ReadonlyMap<number, SessionPeer>, options: PeerUploadsOptions) {
    this.#peers = peers;
    this.#options = options;
  }

  request(peer: SessionPeer, request: BlockRequest): void {
    const { bundle, clock, ledger } = this.#options;
    const nowMs = clock.monotonicMs();
    if (peer.isChoked || !bundle.held.has(request.piece)) return this.#refuse(peer, request);
    const mayDefer = !peer.wire.isStockClient && peer.wire.supportsFast;
    const isUnderWay = (receiver: number, givenMs: number): boolean =>
      this.#isUnderWay(receiver, { piece: request.piece, givenMs, nowMs });
    if (mayDefer && ledger?.decide(request.piece, peer.key, { nowMs, isUnderWay }) === "defer") {
      return peer.wire.sendReject(request);
    }
    const outcome = this.#queue.add(peer.key, request);
    if (outcome === "full") return peer.wire.sendReject(request);
    peer.activeMs = nowMs;
    this.#pumpSoon(peer);
  }

  /**
   * The wire answered a cancelled request by a reject: its block was not sent yet, or taken back where it waited. What was read for it stays paid:
   * who asks and cancels in a loop gets no more of the disk than who asks.
   */
  cancel(peer: SessionPeer, request: BlockRequest): void {
    this.#options.ledger?.withdraw(request.piece, peer.key);
    this.#queue.cancel(peer.key, request);
  }

  /** The peer was choked: its requests are refused. */
  choke(peer: SessionPeer): void {
    for (const request of this.#queue.drop(peer.key)) peer.wire.sendReject(request);
  }

  disconnected(key: number): void {
    this.#queue.drop(key);
    this.#options.ledger?.disconnected(key);
    if (this.#peers.size > 0) return;
    this.#memory.clear();
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  /** Starts as many reads as the sockets can take and the budget allows; call it now and then if there is one. */
  pump(): void {
    const { budget, clock } = this.#options;
    const canTake = (key: number): boolean => this.#canTake(key);
    for (;;) {
      // Asked for nothing first: only who has something to send may wait for a turn.
      if (budget !== undefined && this.#queue.hasNext(canTake) && !budget.tryTake(0, clock.monotonicMs()))
        return this.#lookAgain(budget);
      const read = this.#queue.nextRead(canTake);
      if (read === undefined) return;
      budget?.tryTake(read.lengthBytes, clock.monotonicMs());
      void this.#answer(read);
    }
  }

  #lookAgain(budget: BudgetClaim): void {
    const { clock } = this.#options;
    this.#cancelLook ??= clock.schedule(budget.lookAgainMs(clock.monotonicMs()), () => {
      this.#cancelLook = undefined;
      this.#guard(undefined, () => this.pump());
    });
  }

  /** What fails here is a bug of ours: it costs the connection it was done for, not the program. */
  #guard(peer: SessionPeer | undefined, act: () => void): void {
    try {
      act();
    } catch (error) {
      const { bundle, log } = this.#options;
      const stack = error instanceof Error ? error.stack : undefined;
      log.warn({ bundle: bundle.number, peer: peer?.peerId, error: messageOf(error), stack }, "an upload met a bug");
      peer?.wire.close(`internal error: ${messageOf(error)}`);
    }
  }

  /** Once all requests that came together are here: adjacent ones cost one read. */
  #pumpSoon(peer: SessionPeer): void {
    if (this.#willPump) return;
    this.#willPump = true;
    this.#options.defer(() => {
      this.#willPump = false;
      this.#guard(peer, () => this.pump());
    });
  }

  /** Blocks of the piece wait for this peer, here, at its socket or, as far as that is known, in the kernel, and it takes what it is sent. */
  #isUnderWay(key: number, { piece, givenMs, nowMs }: { piece: number; givenMs: number; nowMs: number }): boolean {
    const peer = this.#peers.get(key);
    if (peer === undefined || nowMs - peer.drainedMs > STALLED_MS) return false;
    if (peer.wire.queuedBytes > 0 || this.#queue.hasPiece(key, piece)) return true;
    return nowMs - givenMs < LONGEST_IN_KERNEL_MS && !peer.held.has(piece);
  }

  /** It has blocks to come, or got some a moment ago, and takes what it is sent. */
  isTaking(peer: SessionPeer, nowMs: number): boolean {
    if (nowMs - peer.drainedMs > STALLED_MS) return false;
    const hasToCome = peer.wire.queuedBytes > 0 || this.#queue.queuedCount(peer.key) > 0;
    return hasToCome || peer.uploadRate.bytesPerSecond(nowMs) >= 1;
  }

  #canTake(key: number): boolean {
    const peer = this.#peers.get(key);
    return peer !== undefined && peer.wire.queuedBytes < QUEUED_BYTES_MARK;
  }

  async #answer(read: UploadRead): Promise<void> {
    const memory = this.#memory.take(read.lengthBytes);
    const bytes = await this.#read(read, memory);
    this.#queue.finished(read);
    const peer = this.#peers.get(read.key);
    const isUnused = memory !== undefined && (bytes !== memory || peer === undefined);
    if (isUnused) this.#giveBack(memory);
    this.#guard(peer, () => {
      if (peer === undefined) return;
      if (bytes === undefined) this.#withdraw(peer, read);
      else if (bytes === "busy") this.#putOff(peer, read);
      else this.#send(peer, read, { bytes, isOurs: bytes === memory });
    });
    this.#guard(peer, () => this.pump());
  }

  /** Reads and blocks that were under way when the last peer went leave nothing behind. */
  #giveBack(memory: Uint8Array): void {
    if (this.#peers.size > 0) this.#memory.giveBack(memory);
  }

  /** Content from storage, zeros where stock clients ask for padding. */
  async #read(
    { piece, offset, lengthBytes }: UploadRead,
    memory: Uint8Array | undefined,
  ): Promise<Uint8Array | "busy" | undefined> {
    const { bundle, log } = this.#options;
    try {
      const contentBytes = Math.max(0, Math.min(lengthBytes, bundle.layout.dataLengthOfPiece(piece) - offset));
      const fitting = contentBytes === lengthBytes ? memory : undefined;
      const content =
        contentBytes === 0 ? new Uint8Array() : await bundle.storage.readBlock(piece, offset, contentBytes, fitting);
      if (content === undefined || content === "busy" || contentBytes === lengthBytes) return content;
      const padded = new Uint8Array(lengthBytes);
      padded.set(content);
      return padded;
    } catch (error) {
      log.warn({ bundle: bundle.number, piece, error: messageOf(error) }, "reading for a peer failed");
      return undefined;
    }
  }

  /** @param answer `isOurs`: its bytes lie in memory that serves again when the last block has gone */
  #send(peer: SessionPeer, read: UploadRead, answer: { readonly bytes: Uint8Array; readonly isOurs: boolean }): void {
    const { bytes, isOurs } = answer;
    const nowMs = this.#options.clock.monotonicMs();
    let underWay = read.requests.size;
    const onSent = (): void => {
      if (--underWay === 0) this.#giveBack(bytes);
    };
    if (isOurs && underWay === 0) this.#giveBack(bytes);
    for (const request of read.requests) {
      const start = request.offset - read.offset;
      const block = bytes.subarray(start, start + request.lengthBytes);
      peer.wire.sendBlock(request.piece, request.offset, block, isOurs ? onSent : undefined);
      peer.uploadRate.add(request.lengthBytes, nowMs);
      this.#options.onUploaded(request.lengthBytes, peer.peerId);
    }
    peer.activeMs = nowMs;
    if (read.requests.size > 0) this.#options.ledger?.given(read.piece, peer.key, nowMs);
  }

  #withdraw(peer: SessionPeer, read: UploadRead): void {
    const { bundle, log } = this.#options;
    if (bundle.held.clear(read.piece)) {
      log.info({ bundle: bundle.number, piece: read.piece }, "piece withdrawn");
      // All are told: a reject alone means of the origin that it gives the piece later.
      for (const other of this.#peers.values()) other.wire.sendDontHave(read.piece);
    }
    for (const request of read.requests) this.#refuse(peer, request);
  }

  /** The piece stays announced: the origin is asked for it again, another peer by somebody else. */
  #putOff(peer: SessionPeer, read: UploadRead): void {
    this.#options.ledger?.withdraw(read.piece, peer.key);
    for (const request of read.requests) this.#refuse(peer, request);
  }

  /** BEP 3 has no word for "no": a peer without BEP 6 learns from a new connection what is held. */
  #refuse(peer: SessionPeer, request: BlockRequest): void {
    if (peer.wire.supportsFast) peer.wire.sendReject(request);
    else if (!peer.isChoked) peer.wire.close("asked for a piece that is not held");
  }
}

import type { Socket } from "node:net";
import type { CancelTimer, Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { SwarmLog } from "../swarm/swarm-log.ts";
import { FrameGate } from "../swarm/wire/gate.ts";
import type { WireRefusal } from "../swarm/wire/frame-rules.ts";
import { FrameWire } from "./frame-wire.ts";
import { SendQueue } from "./send-queue.ts";

const TICK_MS = 5_000;
/** Programs of ours send something every 60 s; who lost its line keeps its place for less than two minutes. */
const SILENCE_MS = 100_000;
/** A stock client's keep-alive of BEP 3's two minutes may be late by a quarter. */
const STOCK_SILENCE_MS = 150_000;
const FRAME_DEADLINE_MS = 30_000;
const STALL_DEADLINE_MS = 30_000;
const KEEP_ALIVE_MS = 60_000;

export interface PeerLinkOptions {
  readonly clock: Clock;
  readonly remoteHost: string;
  readonly log?: SwarmLog | undefined;
}

/**
 * One socket with its gate, the wire library and the send queue; ends the connection on a refusal, on silence, on a
 * frame that does not get done and on a peer that does not read. Nothing that happens on the socket throws: what fails
 * while a peer is listened to is a bug of ours and costs this connection.
 */
export class PeerLink {
  readonly wire: FrameWire;
  readonly gate: FrameGate;
  readonly queue: SendQueue;
  readonly socket: Socket;
  readonly remoteHost: string;
  /** The peer keeps to BEP 3's own, slower keep-alive. */
  isStockClient = false;
  /** Called once, with the reason. */
  onClose: (reason: string) => void = () => undefined;
  /** The send queue has room again. */
  onDrain: () => void = () => undefined;
  readonly #clock: Clock;
  readonly #log: SwarmLog | undefined;
  #hasConnected: boolean;
  #closeReason: string | undefined;
  #cancelTick: CancelTimer;
  #frameCount = 0;
  #lastFrameMs: number;
  #acceptedBytes = 0;
  #lastSentMs: number;

  constructor(socket: Socket, type: "tcpIncoming" | "tcpOutgoing", options: PeerLinkOptions) {
    this.socket = socket;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#hasConnected = type === "tcpIncoming";
    this.remoteHost = options.remoteHost;
    this.queue = new SendQueue(socket, options.clock);
    this.queue.onDrain = () => this.#guard(() => this.onDrain());
    this.wire = new FrameWire(type, (frame) => this.queue.push(frame));
    this.gate = new FrameGate({
      nowMs: () => options.clock.monotonicMs(),
      deliver: (frame) => this.wire.receive(frame),
    });
    this.#lastFrameMs = this.#lastSentMs = options.clock.monotonicMs();
    this.#cancelTick = this.#clock.schedule(TICK_MS, () => this.#tick());
    this.#attach();
  }

  /** Undefined while the connection is open. */
  get closeReason(): string | undefined {
    return this.#closeReason;
  }

  /** Whether there ever was a connection. */
  get hasConnected(): boolean {
    return this.#hasConnected;
  }

  pause(): void {
    this.gate.pause();
    this.socket.pause();
  }

  /** Later in this turn of the event loop, so that the caller is done first. */
  resume(): void {
    process.nextTick(() => {
      if (this.#closeReason !== undefined) return;
      this.#guard(() => this.#endOn(this.gate.resume()));
      if (!this.#isClosed) this.socket.resume();
    });
  }

  /** What the socket gave, if it is one that does not say so by itself; the chunk is the caller's again afterwards. */
  receive(chunk: Uint8Array): void {
    this.#guard(() => this.#endOn(this.gate.receive(chunk)));
  }

  close(reason: string): void {
    if (this.#closeReason !== undefined) return;
    this.#closeReason = reason;
    this.#cancelTick();
    this.gate.close();
    this.wire.destroy();
    this.socket.destroy();
    this.#guard(() => this.onClose(reason));
  }

  #attach(): void {
    this.socket.setNoDelay(true);
    this.socket.once("connect", () => {
      this.#hasConnected = true;
    });
    this.socket.on("data", (chunk: Buffer) => this.receive(chunk));
    this.socket.on("error", (error) => this.close(error.message));
    this.socket.on("end", () => this.close("closed by the peer"));
    this.socket.on("close", () => this.close("closed by the peer"));
  }

  #endOn(refused: WireRefusal | undefined): void {
    if (refused !== undefined) this.close(`${refused.reason}: ${refused.detail}`);
  }

  get #isClosed(): boolean {
    return this.#closeReason !== undefined;
  }

  #guard(react: () => void): void {
    try {
      react();
    } catch (error) {
      const stack = error instanceof Error ? error.stack : undefined;
      this.#log?.warn({ host: this.remoteHost, error: messageOf(error), stack }, "a peer's connection met a bug");
      this.close(`internal error: ${messageOf(error)}`);
    }
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.gate.frameCount !== this.#frameCount) {
      this.#frameCount = this.gate.frameCount;
      this.#lastFrameMs = nowMs;
    }
    if (this.queue.acceptedBytes !== this.#acceptedBytes) {
      this.#acceptedBytes = this.queue.acceptedBytes;
      this.#lastSentMs = nowMs;
    }
    const reason = this.#overdue(nowMs);
    if (reason !== undefined) return this.close(reason);
    if (nowMs - this.#lastSentMs >= KEEP_ALIVE_MS) this.wire.keepAlive();
    this.#cancelTick = this.#clock.schedule(TICK_MS, () => this.#tick());
  }

  #overdue(nowMs: number): string | undefined {
    if (nowMs - this.#lastFrameMs >= (this.isStockClient ? STOCK_SILENCE_MS : SILENCE_MS)) return "silent";
    if (nowMs - (this.gate.frameStartedMs ?? nowMs) >= FRAME_DEADLINE_MS) return "a frame was not completed";
    if (nowMs - (this.queue.stalledSinceMs ?? nowMs) >= STALL_DEADLINE_MS) return "the peer does not read";
    return undefined;
  }
}

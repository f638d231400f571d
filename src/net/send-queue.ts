import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import type { OutgoingFrame } from "./frame-wire.ts";

/** Above this much unsent, blocks should wait. */
export const SEND_HIGH_MARK_BYTES: number = 1024 * 1024;
/** Below this much unsent, there is room again. */
export const SEND_LOW_MARK_BYTES: number = 256 * 1024;
/**
 * Handed to the socket at a time, at the most and at the least. Progress is seen batch by batch, so with a stall deadline of
 * 30 s the slowest peer that is kept takes less than a kB/s.
 */
const MAX_BATCH_BYTES: number = 128 * 1024;
const MIN_BATCH_BYTES: number = 16 * 1024;
const SHORT_PART_BYTES = 256;
/** A batch should be taken within this time: an urgent frame waits for no more than the batch before it. */
const BATCH_MS = 100;

/**
 * Output of one connection: headers and payloads go out together (writev), and what is unsent is known exactly. Urgent frames
 * stand before blocks: on a slow line what is asked for would come by as much later as blocks wait there.
 */
export class SendQueue {
  /** Called when {@link queuedBytes} falls to the low mark after it was above it. */
  onDrain: () => void = () => undefined;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #ahead = new FrameQueue();
  /** Blocks, and what keeps its place behind them. */
  readonly #behind = new FrameQueue();
  #queuedBytes = 0;
  #acceptedBytes = 0;
  #inFlightBytes = 0;
  /** What to call once the batch that is under way was taken. */
  #inFlight: (() => void)[] = [];
  #batchBytes = MAX_BATCH_BYTES;
  #isScheduled = false;
  #isAboveLowMark = false;
  #lastProgressMs = 0;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** Accepted and not yet taken by the kernel. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** All bytes ever accepted. */
  get acceptedBytes(): number {
    return this.#acceptedBytes;
  }

  /** When bytes were last taken; undefined if nothing is queued. */
  get stalledSinceMs(): number | undefined {
    return this.#queuedBytes === 0 ? undefined : this.#lastProgressMs;
  }

  push(frame: OutgoingFrame): void {
    if (this.#socket.destroyed) return;
    if (this.#queuedBytes === 0) this.#lastProgressMs = this.#clock.monotonicMs();
    const isBehind = frame.kind === "block" || (frame.kind === "ordered" && !this.#behind.isEmpty);
    (isBehind ? this.#behind : this.#ahead).push(frame);
    this.#queuedBytes += frame.lengthBytes;
    this.#acceptedBytes += frame.lengthBytes;
    if (this.#queuedBytes > SEND_LOW_MARK_BYTES) this.#isAboveLowMark = true;
    if (this.#isScheduled || this.#inFlightBytes > 0) return;
    this.#isScheduled = true;
    // After all that the sockets gave in this turn: one call for many small frames.
    setImmediate(this.#flush);
  }

  /** Takes back the block whose frame has this head; false if it is under way, or was never here. */
  withdrawBlock(head: Uint8Array): boolean {
    const frame = this.#behind.remove(({ kind, parts }) => kind === "block" && isSame(parts[0]!, head));
    if (frame === undefined) return false;
    this.#queuedBytes -= frame.lengthBytes;
    frame.onSent?.();
    this.#noteRoom();
    return true;
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    if (this.#socket.destroyed || this.#queuedBytes === 0) return;
    const sentMs = this.#clock.monotonicMs();
    const batch = this.#takeBatch();
    const last = batch.pop()!;
    this.#socket.cork();
    for (const part of batch) this.#socket.write(part);
    this.#socket.write(last, (error) => this.#written(sentMs, error));
    this.#socket.uncork();
  };

  /** Short parts in a row go as one: each that is handed over costs as much as copying some kB. */
  #takeBatch(): Uint8Array[] {
    const batch: Uint8Array[] = [];
    let short: Uint8Array[] = [];
    while (this.#inFlightBytes < this.#batchBytes) {
      const frame = this.#ahead.take() ?? this.#behind.take();
      if (frame === undefined) break;
      this.#inFlightBytes += frame.lengthBytes;
      if (frame.onSent !== undefined) this.#inFlight.push(frame.onSent);
      for (const part of frame.parts) {
        if (part.length <= SHORT_PART_BYTES) short.push(part);
        else {
          if (short.length > 0) batch.push(joined(short));
          short = [];
          batch.push(part);
        }
      }
    }
    if (short.length > 0) batch.push(joined(short));
    return batch;
  }

  #written(sentMs: number, error?: Error | null): void {
    if (error) return; // the socket's own error event ends the connection
    this.#queuedBytes -= this.#inFlightBytes;
    this.#inFlightBytes = 0;
    for (const onSent of this.#inFlight.splice(0)) onSent();
    this.#lastProgressMs = this.#clock.monotonicMs();
    const isSlow = this.#lastProgressMs - sentMs > BATCH_MS;
    this.#batchBytes = isSlow
      ? Math.max(MIN_BATCH_BYTES, this.#batchBytes / 2)
      : Math.min(MAX_BATCH_BYTES, this.#batchBytes * 2);
    this.#noteRoom();
    if (!this.#isScheduled && this.#inFlightBytes === 0) this.#flush();
  }

  #noteRoom(): void {
    if (!this.#isAboveLowMark || this.#queuedBytes > SEND_LOW_MARK_BYTES) return;
    this.#isAboveLowMark = false;
    this.onDrain();
  }
}

/** Frames in order; taken from the front without moving the rest each time. */
class FrameQueue {
  #frames: OutgoingFrame[] = [];
  #next = 0;

  get isEmpty(): boolean {
    return this.#next === this.#frames.length;
  }

  push(frame: OutgoingFrame): void {
    this.#frames.push(frame);
  }

  /** Takes out the first that fits, wherever it stands. */
  remove(fits: (frame: OutgoingFrame) => boolean): OutgoingFrame | undefined {
    for (let index = this.#next; index < this.#frames.length; index++) {
      if (fits(this.#frames[index]!)) return this.#frames.splice(index, 1)[0];
    }
    return undefined;
  }

  take(): OutgoingFrame | undefined {
    if (this.isEmpty) return undefined;
    const frame = this.#frames[this.#next++];
    if (this.isEmpty || this.#next >= 1024) {
      this.#frames = this.#frames.slice(this.#next);
      this.#next = 0;
    }
    return frame;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";

/** Above this much unsent, blocks should wait. */
export const SEND_HIGH_MARK_BYTES: number = 1024 * 1024;
/** Below this much unsent, there is room again. */
export const SEND_LOW_MARK_BYTES: number = 256 * 1024;
/**
 * Handed to the socket at a time. Progress is seen batch by batch, so with a stall deadline of 30 s the slowest peer
 * that is kept takes 4.3 kB/s.
 */
const BATCH_BYTES: number = 128 * 1024;

/** Output of one connection: headers and payloads go out together (writev), and what is unsent is known exactly. */
export class SendQueue {
  /** Called when {@link queuedBytes} falls to the low mark after it was above it. */
  onDrain: () => void = () => undefined;
  readonly #socket: Socket;
  readonly #clock: Clock;
  #chunks: Uint8Array[] = [];
  #next = 0;
  #queuedBytes = 0;
  #acceptedBytes = 0;
  #inFlightBytes = 0;
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

  push(chunk: Uint8Array): void {
    if (this.#socket.destroyed) return;
    if (this.#queuedBytes === 0) this.#lastProgressMs = this.#clock.monotonicMs();
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    this.#acceptedBytes += chunk.length;
    if (this.#queuedBytes > SEND_LOW_MARK_BYTES) this.#isAboveLowMark = true;
    if (this.#isScheduled || this.#inFlightBytes > 0) return;
    this.#isScheduled = true;
    // After all that the sockets gave in this turn: one call for many small frames.
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    if (this.#socket.destroyed || this.#next === this.#chunks.length) return;
    this.#socket.cork();
    while (this.#next < this.#chunks.length && this.#inFlightBytes < BATCH_BYTES) {
      const chunk = this.#chunks[this.#next++]!;
      this.#inFlightBytes += chunk.length;
      const isLast = this.#next === this.#chunks.length || this.#inFlightBytes >= BATCH_BYTES;
      if (isLast) this.#socket.write(chunk, this.#onWritten);
      else this.#socket.write(chunk);
    }
    this.#socket.uncork();
    this.#dropSent();
  };

  readonly #onWritten = (error?: Error | null): void => {
    if (error) return; // the socket's own error event ends the connection
    this.#queuedBytes -= this.#inFlightBytes;
    this.#inFlightBytes = 0;
    this.#lastProgressMs = this.#clock.monotonicMs();
    if (this.#isAboveLowMark && this.#queuedBytes <= SEND_LOW_MARK_BYTES) {
      this.#isAboveLowMark = false;
      this.onDrain();
    }
    if (!this.#isScheduled && this.#inFlightBytes === 0) this.#flush();
  };

  /** Forgets chunks that the socket has, without moving the rest each time. */
  #dropSent(): void {
    if (this.#next < this.#chunks.length && this.#next < 1024) return;
    this.#chunks = this.#chunks.slice(this.#next);
    this.#next = 0;
  }
}

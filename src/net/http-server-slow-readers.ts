import type { Socket } from "node:net";

/** A connection that owes a reader bytes must move at least this fast, averaged over the period. */
export interface SlowReaderLimits {
  readonly minimumBytesPerSecond: number;
  readonly periodMs: number;
  readonly checkIntervalMs: number;
}

interface Progress {
  sentBytes: number;
  /** Milliseconds of {@link performance.now} at the start of the running period. */
  since: number;
}

/**
 * Closes connections whose reader takes almost nothing while bytes wait for it: Node has no limit of its own for that
 * (row H10). Bytes in libuv's queue count as waiting, those in the kernel's as sent.
 */
export class SlowReaderGuard {
  readonly #limits: SlowReaderLimits;
  readonly #sockets = new Map<Socket, Progress>();
  readonly #timer: NodeJS.Timeout;

  constructor(limits: SlowReaderLimits) {
    this.#limits = limits;
    this.#timer = setInterval(() => this.#check(), limits.checkIntervalMs);
    this.#timer.unref();
  }

  watch(socket: Socket): void {
    this.#sockets.set(socket, { sentBytes: 0, since: performance.now() });
    socket.once("close", () => this.#sockets.delete(socket));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const now = performance.now();
    for (const [socket, progress] of this.#sockets) {
      const waitingBytes = waitingBytesOf(socket);
      const sentBytes = socket.bytesWritten - waitingBytes;
      const elapsedMs = now - progress.since;
      const enoughBytes = (this.#limits.minimumBytesPerSecond * elapsedMs) / 1000;
      if (waitingBytes === 0 || sentBytes - progress.sentBytes >= enoughBytes) {
        this.#sockets.set(socket, { sentBytes, since: now });
      } else if (elapsedMs >= this.#limits.periodMs) {
        socket.destroy();
      }
    }
  }
}

/** What the kernel has not taken yet. `bytesWritten` counts it too, and libuv's part is visible only on the handle. */
function waitingBytesOf(socket: Socket): number {
  const handle = (socket as Socket & { readonly _handle?: { readonly writeQueueSize?: number } })._handle;
  return socket.writableLength + (handle?.writeQueueSize ?? 0);
}

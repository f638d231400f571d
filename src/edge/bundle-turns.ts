import type { CancelTimer, Clock } from "../core/clock.ts";

/**
 * Bundles hold up to 4 GiB, and pieces of one come in no order, so that its contents are whole when most of it is there. Several at once would all
 * be whole at the end; one after the other gives customers theirs on the way. The next one begins with the last quarter of the
 * largest, so that no line idles while a few last pieces come.
 */
const ENOUGH_UNDER_WAY_BYTES: number = 1024 ** 3;
/** A bundle that nobody reachable has, or one peer with a narrow line, must not keep the line from all others. */
const STALL_MS = 5_000;
const LOOK_MS = 1_000;
/** 50 kB/s: what comes more slowly than that counts as nothing. */
const STALL_BYTES: number = 256 * 1024;

interface Waiting {
  readonly bundle: number;
  readonly missingBytes: number;
  readonly go: () => void;
}

/** The last time when enough of a bundle had come, and what was missing then. */
interface Mark {
  readonly missingBytes: number;
  readonly monotonicMs: number;
}

interface UnderWay {
  readonly missingBytes: number;
  readonly mark: Mark;
}

/**
 * Lets bundles begin in the order in which they ask, while less than 1 GiB is missing of those under way. Those of which less than 256 KiB
 * came in 5 s don't count.
 */
export class BundleTurns {
  readonly #underWay = new Map<number, UnderWay>();
  readonly #waiting: Waiting[] = [];
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  #cancelLook: CancelTimer | undefined;

  constructor(signal: AbortSignal, clock: Clock) {
    this.#signal = signal;
    this.#clock = clock;
  }

  /** Waits for its turn, which ends when the result is disposed. @throws the signal's reason */
  async take(bundle: number, missingBytes: number): Promise<Disposable> {
    this.#signal.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = { bundle, missingBytes, go: resolve };
    this.#waiting.push(waiting);
    const giveUp = (): void => {
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
      resolve();
    };
    this.#signal.addEventListener("abort", giveUp, { once: true });
    this.#admit();
    await promise;
    this.#signal.removeEventListener("abort", giveUp);
    if (this.#signal.aborted) this.#end(bundle);
    this.#signal.throwIfAborted();
    return { [Symbol.dispose]: () => this.#end(bundle) };
  }

  /** So much is missing of a bundle that has its turn. */
  note(bundle: number, missingBytes: number): void {
    const missing = Math.max(0, missingBytes);
    const mark = this.#underWay.get(bundle)?.mark;
    const isStill = mark !== undefined && missing <= mark.missingBytes && mark.missingBytes - missing < STALL_BYTES;
    this.#underWay.set(bundle, { missingBytes: missing, mark: isStill ? mark : this.#markOf(missing) });
    this.#admit();
  }

  #end(bundle: number): void {
    this.#underWay.delete(bundle);
    this.#admit();
  }

  #markOf(missingBytes: number): Mark {
    return { missingBytes, monotonicMs: this.#clock.monotonicMs() };
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(); next = this.#waiting[0]) {
      this.#waiting.shift();
      const { bundle, missingBytes } = next;
      this.#underWay.set(bundle, { missingBytes, mark: this.#markOf(missingBytes) });
      next.go();
    }
    this.#lookAgain();
  }

  /** That nothing comes, nobody tells. */
  #lookAgain(): void {
    if (this.#waiting.length === 0) {
      this.#cancelLook?.();
      this.#cancelLook = undefined;
      return;
    }
    this.#cancelLook ??= this.#clock.schedule(LOOK_MS, () => {
      this.#cancelLook = undefined;
      this.#admit();
    });
  }

  #hasRoom(): boolean {
    const stalledSinceMs = this.#clock.monotonicMs() - STALL_MS;
    let bytes = 0;
    for (const { missingBytes, mark } of this.#underWay.values()) {
      if (mark.monotonicMs > stalledSinceMs) bytes += missingBytes;
    }
    return bytes < ENOUGH_UNDER_WAY_BYTES;
  }
}

import type { Clock } from "../core/clock.ts";

/** A sleep that others can end. A wake-up that comes while nobody sleeps ends the next sleep at once. */
export class Waker {
  readonly #clock: Clock;
  #isWoken = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#isWoken = true;
    this.#end?.();
  }

  async sleep(durationMs: number): Promise<void> {
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.schedule(durationMs, resolve);
        this.#end = () => {
          cancel();
          resolve();
        };
      });
    }
    this.#end = undefined;
    this.#isWoken = false;
  }

  /** Waits without being woken; ends early, without an error, if `signal` aborts. */
  async pause(durationMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.#clock.schedule(durationMs, end);
      signal.addEventListener("abort", end);
    });
  }
}

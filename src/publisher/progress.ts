import type { Clock } from "../core/clock.ts";
import type { PublishPhase, PublishProgress } from "./publish-options.ts";

const MIN_INTERVAL_MS = 100;

/** Passes progress on at most ten times a second, and what was held back when a phase ends. */
export class ThrottledProgress implements PublishProgress {
  readonly #target: PublishProgress;
  readonly #clock: Clock;
  #lastMs = -Infinity;
  #heldBack: (() => void) | undefined;

  constructor(target: PublishProgress, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  onPhase(name: PublishPhase): void {
    this.finish();
    this.#target.onPhase(name);
  }

  onScan(count: number): void {
    this.#tell(() => this.#target.onScan(count));
  }

  onHash(doneBytes: number, totalBytes: number, files: number): void {
    this.#tell(() => this.#target.onHash(doneBytes, totalBytes, files));
  }

  #tell(report: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    this.#heldBack = report;
    if (nowMs - this.#lastMs >= MIN_INTERVAL_MS) this.finish();
  }

  /** Tells what was held back. */
  finish(): void {
    const report = this.#heldBack;
    this.#heldBack = undefined;
    this.#lastMs = this.#clock.monotonicMs();
    report?.();
  }
}

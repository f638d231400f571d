import { setImmediate } from "node:timers/promises";
import type { CancelTimer, Clock } from "../core/clock.ts";

interface Timer {
  readonly atMs: number;
  /** Ties go in order of scheduling, so that a run follows from its seed alone. */
  readonly order: number;
  action: (() => void) | undefined;
}

/** Where virtual time begins. Not 0, so that code which takes 0 for "never" is found out. */
const START_MS = 1_000_000;

/**
 * Time that passes only when nothing is left to do at the moment: a queue of timers.
 *
 * Invariant: time never moves while promises wait for their turn, because code under test goes on in them. A port that
 * resolves a promise says so by {@link owe}.
 */
export class VirtualClock implements Clock {
  readonly #heap: Timer[] = [];
  readonly #waitsForPromises: boolean;
  #nowMs = START_MS;
  #order = 0;
  #isOwing = false;
  #eventCount = 0;

  /** @param options `waitsForPromises`: after every timer, for ports that resolve promises and do not say so (slower) */
  constructor(options: { readonly waitsForPromises: boolean } = { waitsForPromises: false }) {
    this.#waitsForPromises = options.waitsForPromises;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** The same as {@link monotonicMs}: virtual days begin in 1970. */
  wallMs(): number {
    return this.#nowMs;
  }

  /** Seconds since the start. */
  get passedSeconds(): number {
    return (this.#nowMs - START_MS) / 1000;
  }

  /** Timers that fired so far. */
  get eventCount(): number {
    return this.#eventCount;
  }

  schedule(delayMs: number, action: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, action };
    this.#push(timer);
    return () => {
      (timer as Timer).action = undefined;
    };
  }

  /** A promise was or will be resolved at this moment: whoever awaits it acts before time goes on. */
  owe(): void {
    this.#isOwing = true;
  }

  /** Lets time pass until `isDone`, or up to the limit. @returns whether it was done in time */
  async runUntil(isDone: () => boolean, limitSeconds: number): Promise<boolean> {
    const endMs = this.#nowMs + limitSeconds * 1000;
    await setImmediate(); // what was called before time began
    while (!isDone()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) {
        this.#nowMs = endMs;
        return false;
      }
      this.#nowMs = next.atMs;
      this.#pop();
      if (next.action === undefined) continue;
      this.#eventCount++;
      next.action();
      if (!this.#isOwing && !this.#waitsForPromises) continue;
      this.#isOwing = false;
      await setImmediate(); // runs all microtasks first
    }
    return true;
  }

  /** Lets `seconds` pass. */
  async pass(seconds: number): Promise<void> {
    await this.runUntil(() => false, seconds);
  }

  /** Lets time pass until `work` is settled. @returns the seconds it took; throws what it threw */
  async run(work: Promise<unknown>, limitSeconds: number): Promise<number> {
    const startMs = this.#nowMs;
    let outcome: { readonly error?: unknown } | undefined;
    const settled = (value: { readonly error?: unknown }): void => {
      outcome = value;
    };
    work.then(
      () => settled({}),
      (error: unknown) => settled({ error }),
    );
    if (!(await this.runUntil(() => outcome !== undefined, limitSeconds)))
      throw new Error(`still running after ${limitSeconds} virtual seconds`);
    if (outcome !== undefined && "error" in outcome) throw outcome.error;
    return (this.#nowMs - startMs) / 1000;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

import { readFileSync } from "node:fs";

/** How idle each core was between {@link start} and {@link lowest}: links shaped on a busy machine measure the machine. */
export class CoreIdle {
  readonly #before: readonly (readonly [number, number])[];

  private constructor() {
    this.#before = ticks();
  }

  static start(): CoreIdle {
    return new CoreIdle();
  }

  /** Share of idle time of the busiest core, 0 … 1. */
  lowest(): number {
    const shares = ticks().map(([idle, total], core) => {
      const [idleBefore, totalBefore] = this.#before[core]!;
      return (idle - idleBefore) / Math.max(1, total - totalBefore);
    });
    return Math.min(...shares);
  }
}

/** Idle and all ticks of each core (proc(5): user, nice, system, idle, iowait, irq, softirq, steal). */
function ticks(): readonly (readonly [number, number])[] {
  return readFileSync("/proc/stat", "utf8")
    .split("\n")
    .filter((line) => /^cpu\d/.test(line))
    .map((line) => {
      const numbers = line.split(/\s+/).slice(1, 9).map(Number);
      return [numbers[3]! + numbers[4]!, numbers.reduce((sum, value) => sum + value, 0)] as const;
    });
}

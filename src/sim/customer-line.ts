import { type CutTransfer, FluidGroup, FluidLine } from "./fluid-line.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** A line up that serves customers: one transfer each, shared fairly, none faster than the customer's own line. */
export class CustomerLine {
  readonly line: FluidLine;
  /** By what a customer's own line takes. */
  readonly #groups = new Map<number, FluidGroup>();
  /** Of customers, ever, done or not. */
  assignedBytes = 0;

  constructor(clock: VirtualClock, bytesPerSecond: number) {
    this.line = new FluidLine(clock, bytesPerSecond);
  }

  /** A customer's transfer of so many bytes begins. */
  serve(bytes: number, capBytesPerSecond: number, onDone: () => void): void {
    this.assignedBytes += bytes;
    let group = this.#groups.get(capBytesPerSecond);
    if (group === undefined) {
      group = this.line.group({ weight: 1, capBytesPerSecond });
      this.#groups.set(capBytesPerSecond, group);
    }
    group.start(bytes, onDone);
  }

  get customers(): number {
    return this.#sumOf((group) => group.count);
  }

  get customerBytesLeft(): number {
    return this.#sumOf((group) => group.leftBytes);
  }

  /** To customers, up to this moment. */
  get sentBytes(): number {
    this.line.settle();
    return this.#sumOf((group) => group.sentBytes);
  }

  /** Still to be sent of each transfer, in no order. */
  leftOfEach(): readonly number[] {
    return [...this.#groups.values()].flatMap((group) => group.leftOfEach());
  }

  /** Breaks all transfers off. */
  cut(): CutTransfer[] {
    return [...this.#groups.values()].flatMap((group) => group.cut());
  }

  #sumOf(valueOf: (group: FluidGroup) => number): number {
    let sum = 0;
    for (const group of this.#groups.values()) sum += valueOf(group);
    return sum;
  }
}

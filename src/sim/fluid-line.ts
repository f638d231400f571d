import type { CancelTimer, Clock } from "../core/clock.ts";

/** A transfer is done when less is left than floating point can tell from nothing. */
const NOTHING_BYTES = 0.01;

interface Transfer {
  /** On the scale of its group: {@link FluidGroup} served so much to each of its transfers when this one is done. */
  readonly endBytes: number;
  readonly onDone: () => void;
}

/** A transfer that was broken off. */
export interface CutTransfer {
  readonly leftBytes: number;
  /** As it was given to {@link FluidGroup.start}. */
  readonly onDone: () => void;
}

/** What transfers of a group have in common. */
export interface FluidGroupOptions {
  /** Share of one transfer beside others of weight 1; say, the number of its connections. */
  readonly weight: number;
  /** What a transfer can take at most, for its receiver's sake, say; Infinity if only the line limits it. */
  readonly capBytesPerSecond: number;
}

/**
 * Transfers of one kind on a {@link FluidLine}. All of them get the same rate, so that one number tells what each was served
 * since the group was last empty, and a heap of ends tells who is done next.
 */
export class FluidGroup {
  readonly options: FluidGroupOptions;
  /** Bytes per second of each transfer; set by the line. */
  rate = 0;
  /** Everything this group ever carried. */
  sentBytes = 0;
  readonly #line: FluidLine;
  readonly #ends: Transfer[] = [];
  #servedBytes = 0;
  #leftBytes = 0;

  /** Made by {@link FluidLine.group}. */
  constructor(line: FluidLine, options: FluidGroupOptions) {
    this.#line = line;
    this.options = options;
  }

  /** Open transfers. */
  get count(): number {
    return this.#ends.length;
  }

  /** Still to be sent at this moment. */
  get leftBytes(): number {
    this.#line.settle();
    return this.#leftBytes;
  }

  /** Still to be sent of each transfer, in no order. */
  leftOfEach(): readonly number[] {
    this.#line.settle();
    return this.#ends.map(({ endBytes }) => endBytes - this.#servedBytes);
  }

  /** Begins a transfer at this moment; `onDone` is called when its last byte left. */
  start(bytes: number, onDone: () => void): void {
    this.#line.settle();
    push(this.#ends, { endBytes: this.#servedBytes + bytes, onDone });
    this.#leftBytes += bytes;
    this.#line.change();
  }

  /** Breaks all transfers off at this moment; `onDone` of none of them is called. */
  cut(): CutTransfer[] {
    this.#line.settle();
    const cut = this.#ends.map(({ endBytes, onDone }) => ({ leftBytes: endBytes - this.#servedBytes, onDone }));
    this.#ends.length = 0;
    this.#servedBytes = 0;
    this.#leftBytes = 0;
    this.#line.change();
    return cut;
  }

  /** Time passed at the present rate. For the line only. */
  carry(seconds: number): void {
    const served = this.rate * seconds;
    this.#servedBytes += served;
    this.#leftBytes = Math.max(0, this.#leftBytes - served * this.#ends.length);
    this.sentBytes += served * this.#ends.length;
  }

  /** Until the next transfer is done at the present rate; Infinity if none is open. */
  secondsToNext(): number {
    const next = this.#ends[0];
    return next === undefined || this.rate === 0
      ? Infinity
      : Math.max(0, next.endBytes - this.#servedBytes) / this.rate;
  }

  /** Takes those out that are done. For the line only. */
  takeDone(): Transfer[] {
    const done: Transfer[] = [];
    while (this.#ends.length > 0 && this.#ends[0]!.endBytes <= this.#servedBytes + NOTHING_BYTES)
      done.push(pop(this.#ends));
    if (this.#ends.length > 0 || done.length === 0) return done;
    this.#servedBytes = 0;
    this.#leftBytes = 0;
    return done;
  }
}

/**
 * One direction of a host's line as a fluid: all open transfers flow at once, in proportion to their weights, none faster than
 * its cap (max-min fairness, what TCP connections of like round trips come to). Exact, and one event per end of a transfer,
 * where `network.ts` needs one per message: for customers, of whom there are many and whose bytes nobody looks at.
 */
export class FluidLine {
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  /** By cap per weight, the lowest first: in this order caps are found to bind. */
  #groups: readonly FluidGroup[] = [];
  #settledMs: number;
  #reservedBytesPerSecond = 0;
  #cancelNext: CancelTimer = () => undefined;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.bytesPerSecond = bytesPerSecond;
    this.#settledMs = clock.monotonicMs();
  }

  group(options: FluidGroupOptions): FluidGroup {
    const group = new FluidGroup(this, options);
    const bindsAt = (one: FluidGroup): number => one.options.capBytesPerSecond / one.options.weight;
    this.#groups = [...this.#groups, group].sort((a, b) => (bindsAt(a) < bindsAt(b) ? -1 : 1));
    return group;
  }

  /** Brings what was carried up to this moment. For groups. */
  settle(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs === this.#settledMs) return;
    const seconds = (nowMs - this.#settledMs) / 1000;
    this.#settledMs = nowMs;
    for (const group of this.#groups) if (group.count > 0) group.carry(seconds);
  }

  /** What something else takes of the line from now on; the groups share the rest. */
  reserve(bytesPerSecond: number): void {
    if (bytesPerSecond === this.#reservedBytesPerSecond) return;
    this.settle();
    this.#reservedBytesPerSecond = bytesPerSecond;
    this.change();
  }

  /** What the open transfers would take together if the line were theirs alone. */
  get wantedBytesPerSecond(): number {
    let wanted = 0;
    for (const { count, options } of this.#groups) if (count > 0) wanted += count * options.capBytesPerSecond;
    return Math.min(wanted, this.bytesPerSecond);
  }

  /** Transfers came or went: shares the line anew. For groups. */
  change(): void {
    this.#share();
    const seconds = Math.min(...this.#groups.map((group) => group.secondsToNext()));
    this.#cancelNext();
    if (seconds === Infinity) return;
    this.#cancelNext = this.#clock.schedule(seconds * 1000, () => this.#next());
  }

  #share(): void {
    let free = Math.max(0, this.bytesPerSecond - this.#reservedBytesPerSecond);
    let weights = 0;
    for (const { count, options } of this.#groups) weights += count * options.weight;
    for (const group of this.#groups) {
      const { weight, capBytesPerSecond } = group.options;
      if (group.count === 0) continue;
      group.rate = Math.min(capBytesPerSecond, (free * weight) / weights);
      free -= group.rate * group.count;
      weights -= weight * group.count;
    }
  }

  #next(): void {
    this.settle();
    const done = this.#groups.flatMap((group) => group.takeDone());
    this.change();
    for (const { onDone } of done) onDone();
  }
}

function push(heap: Transfer[], transfer: Transfer): void {
  let at = heap.length;
  heap.push(transfer);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]!.endBytes <= transfer.endBytes) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = transfer;
}

function pop(heap: Transfer[]): Transfer {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]!.endBytes < heap[child]!.endBytes) child++;
    if (last.endBytes <= heap[child]!.endBytes) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}

import type { Clock } from "../core/clock.ts";

/** Bytes of one connection that may be between the sender's link and the receiver: TCP's window, at the least. */
const MIN_WINDOW_BYTES: number = 64 * 1024;
/** Buffers along the way, on top of the delay itself. */
const BUFFER_MS = 50;
/** Messages up to this size pass an idle link at once and wait for nobody behind it: they only use up its time. */
const SMALL_BYTES = 64;
/** What Ethernet, IP and TCP headers add to every 1448 bytes of payload, as `tc tbf` counts; acknowledgements left out. */
const FRAMING = 1514 / 1448;

/** Rates in bytes per second of payload and headers together, as a line is sold. */
export interface LinkSpeed {
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
  /** One way, of this host alone; the way between two hosts has the sum. */
  readonly delayMs: number;
}

/** What was handed to a flow, as a handle to take it back. */
export interface Message {
  readonly bytes: number;
  readonly arrive: () => void;
}

/** Messages in order; taken from the front at constant cost. */
class MessageQueue {
  readonly #messages: Message[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#messages.length;
  }

  push(message: Message): void {
    this.#messages.push(message);
  }

  /** Not of an empty queue. */
  take(): Message {
    const message = this.#messages[this.#head++]!;
    if (this.isEmpty) this.clear();
    return message;
  }

  /** False if it is not here (any more). */
  remove(message: Message): boolean {
    const index = this.#messages.indexOf(message, this.#head);
    if (index < 0) return false;
    this.#messages.splice(index, 1);
    return true;
  }

  clear(): void {
    this.#messages.length = 0;
    this.#head = 0;
  }
}

/** One direction of a connection: messages in order but for urgent ones, a window of bytes under way. */
export class Flow {
  readonly #from: SimLink;
  readonly #to: SimLink;
  readonly #windowBytes: number;
  /** Leave before all others, as `net/send-queue.ts` lets them. */
  readonly #urgent = new MessageQueue();
  readonly #queue = new MessageQueue();
  #queuedBytes = 0;
  #underWayBytes = 0;
  #isClosed = false;
  /** Its place on the line's scale of bytes served; the line's to keep. */
  servedBytes = 0;
  /** Called when bytes left for the network. */
  onSent: () => void = () => undefined;

  constructor(from: SimLink, to: SimLink) {
    this.#from = from;
    this.#to = to;
    const rate = Math.min(from.speed.upBytesPerSecond, to.speed.downBytesPerSecond);
    this.#windowBytes = Math.max(MIN_WINDOW_BYTES, (rate * (2 * this.delayMs + BUFFER_MS)) / 1000);
  }

  get delayMs(): number {
    return this.#from.speed.delayMs + this.#to.speed.delayMs;
  }

  /** Handed over and not yet on its way. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isReady(): boolean {
    return !this.#isEmpty && this.#underWayBytes < this.#windowBytes;
  }

  send(bytes: number, arrive: () => void, { isUrgent = false }: { readonly isUrgent?: boolean } = {}): Message {
    const message = { bytes, arrive };
    if (this.#isClosed) return message;
    if (this.#isEmpty && bytes <= SMALL_BYTES && this.#from.passSmall(bytes)) {
      this.#leave(message, 0);
      return message;
    }
    (isUrgent ? this.#urgent : this.#queue).push(message);
    this.#queuedBytes += bytes;
    this.#from.offer(this);
    return message;
  }

  /** Takes back what is not urgent and has not left; false if it has. */
  withdraw(message: Message): boolean {
    if (!this.#queue.remove(message)) return false;
    this.#queuedBytes -= message.bytes;
    this.onSent();
    return true;
  }

  /** What was handed over is lost; what is under way too. */
  close(): void {
    this.#isClosed = true;
    this.#urgent.clear();
    this.#queue.clear();
  }

  /** The link takes the next message: it needs `serviceMs` to leave. */
  takeNext(): Message {
    const message = (this.#urgent.isEmpty ? this.#queue : this.#urgent).take();
    this.#queuedBytes -= message.bytes;
    return message;
  }

  leaving(message: Message, serviceMs: number): void {
    this.#leave(message, serviceMs);
    this.onSent();
  }

  get #isEmpty(): boolean {
    return this.#urgent.isEmpty && this.#queue.isEmpty;
  }

  #leave(message: Message, serviceMs: number): void {
    this.#underWayBytes += message.bytes;
    const { clock } = this.#to;
    clock.schedule(serviceMs + this.delayMs, () => {
      const waitMs = this.#to.receive(message.bytes);
      if (waitMs <= 0) this.#arrived(message);
      else clock.schedule(waitMs, () => this.#arrived(message));
    });
  }

  #arrived({ bytes, arrive }: Message): void {
    this.#underWayBytes -= bytes;
    if (this.#isClosed) return;
    if (this.isReady) this.#from.offer(this);
    arrive();
  }
}

/**
 * A host's line, up and down apart. What goes up is the connection's that got least so far, so flows share it fairly
 * in bytes, as TCP does, and requests and haves cost a flow next to nothing of its share of blocks (start-time fair queueing); what comes down queues, and a full window stops its sender, so that the time of a line is not wasted on
 * a receiver that is busy.
 */
export class SimLink {
  readonly clock: Clock;
  readonly speed: LinkSpeed;
  /** Everything that ever left and arrived, without the framing below the payload. */
  sentBytes = 0;
  receivedBytes = 0;
  readonly #waiting = new Set<Flow>();
  #servedBytes = 0;
  #upFreeMs = 0;
  #downFreeMs = 0;
  #isBusy = false;

  constructor(clock: Clock, speed: LinkSpeed) {
    this.clock = clock;
    this.speed = speed;
  }

  /** A flow has something to send. */
  offer(flow: Flow): void {
    if (this.#waiting.has(flow) || !flow.isReady) return;
    this.#waiting.add(flow);
    // Who comes back after a pause starts level with the others.
    flow.servedBytes = Math.max(flow.servedBytes, this.#servedBytes);
    if (!this.#isBusy) this.#serve();
  }

  /** A small message passes without a turn if nothing waits. */
  passSmall(bytes: number): boolean {
    if (this.#isBusy || this.#waiting.size > 0) return false;
    this.#upFreeMs = Math.max(this.#upFreeMs, this.clock.monotonicMs()) + this.#upMs(bytes);
    this.sentBytes += bytes;
    return true;
  }

  /** Bytes came to the lower end of the line. @returns how long until they are through */
  receive(bytes: number): number {
    const nowMs = this.clock.monotonicMs();
    this.receivedBytes += bytes;
    const serviceMs = ((bytes * FRAMING) / this.speed.downBytesPerSecond) * 1000;
    // The line passed the message on while it came, so a free one adds nothing to the sender's own time.
    const freeMs = Math.max(this.#downFreeMs + serviceMs, nowMs);
    this.#downFreeMs = freeMs;
    return freeMs - nowMs;
  }

  #serve(): void {
    const flow = this.#next();
    this.#isBusy = flow !== undefined;
    if (flow === undefined) return;
    const message = flow.takeNext();
    this.#servedBytes = flow.servedBytes;
    flow.servedBytes += message.bytes;
    const nowMs = this.clock.monotonicMs();
    this.#upFreeMs = Math.max(this.#upFreeMs, nowMs) + this.#upMs(message.bytes);
    this.sentBytes += message.bytes;
    const serviceMs = this.#upFreeMs - nowMs;
    flow.leaving(message, serviceMs);
    this.clock.schedule(serviceMs, () => this.#served(flow));
  }

  /** The flow that got least; of like ones who waited longest. */
  #next(): Flow | undefined {
    let next: Flow | undefined;
    for (const flow of this.#waiting) {
      if (!flow.isReady) this.#waiting.delete(flow);
      else if (next === undefined || flow.servedBytes < next.servedBytes) next = flow;
    }
    if (next !== undefined) this.#waiting.delete(next);
    return next;
  }

  #served(flow: Flow): void {
    this.#isBusy = false;
    this.offer(flow);
    if (!this.#isBusy) this.#serve();
  }

  #upMs(bytes: number): number {
    return ((bytes * FRAMING) / this.speed.upBytesPerSecond) * 1000;
  }
}

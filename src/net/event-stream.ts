import type { ServerResponse } from "node:http";

/** One event of a stream (HTML standard, "Server-sent events"). `data` without line breaks. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

export interface EventStreamOptions {
  readonly maxSubscribers: number;
  /** A comment line this often, so that proxies and dead connections are noticed. */
  readonly commentIntervalMs: number;
}

export const DEFAULT_EVENT_STREAM_OPTIONS: EventStreamOptions = { maxSubscribers: 5_000, commentIntervalMs: 15_000 };
/** A subscriber that owes more than this is dropped; it comes back and gets the newest event at once. */
const MAX_WAITING_BYTES = 64 * 1024;

export function encodeServerSentEvent({ event, data }: ServerSentEvent): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}

/** Sends each event to all who listen. Disposing it ends every response. */
export class EventStream implements Disposable {
  readonly #options: EventStreamOptions;
  readonly #subscribers = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: EventStreamOptions = DEFAULT_EVENT_STREAM_OPTIONS) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sendAll(": still here\n\n"), options.commentIntervalMs);
    this.#timer.unref();
  }

  get subscriberCount(): number {
    return this.#subscribers.size;
  }

  /** Answers with the stream and its first event; false (nothing sent) if there is no room. */
  subscribe(response: ServerResponse, first: ServerSentEvent | undefined): boolean {
    if (this.#isClosed || this.#subscribers.size >= this.#options.maxSubscribers) return false;
    response.on("error", () => response.destroy());
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no",
    });
    response.write(first === undefined ? ": no release yet\n\n" : encodeServerSentEvent(first));
    this.#subscribers.add(response);
    response.once("close", () => this.#subscribers.delete(response));
    return true;
  }

  publish(event: ServerSentEvent): void {
    this.#sendAll(encodeServerSentEvent(event));
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const response of this.#subscribers) response.end();
  }

  #sendAll(text: string): void {
    for (const response of this.#subscribers) {
      response.write(text);
      if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
    }
  }
}

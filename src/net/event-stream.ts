import type { ServerResponse } from "node:http";
import { AddressCounts, type AddressShares } from "./address-counts.ts";

/** One event of a stream (HTML standard, "Server-sent events"). `data` without line breaks. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

export interface EventStreamOptions {
  readonly maxSubscribers: number;
  /** Of one address; more for a /48 of IPv6. */
  readonly shares: AddressShares;
  /** A comment line this often, so that proxies and dead connections are noticed. */
  readonly commentIntervalMs: number;
}

export const DEFAULT_EVENT_STREAM_OPTIONS: EventStreamOptions = {
  maxSubscribers: 5_000,
  shares: { perAddress: 8, perNetwork: 64 },
  commentIntervalMs: 15_000,
};
/** A subscriber that owes more than this is dropped; it comes back and gets the newest event at once. */
const MAX_WAITING_BYTES = 64 * 1024;

export function encodeServerSentEvent({ event, data }: ServerSentEvent): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}

/** Whoever asks again sooner finds nothing new: a stream lasts. */
const RETRY_SECONDS = 60;

function refuse(response: ServerResponse, status: 429 | 503): void {
  response.writeHead(status, { "Retry-After": String(RETRY_SECONDS), "Content-Length": "0" }).end();
}

/** Sends each event to all who listen. Disposing it ends every response. */
export class EventStream implements Disposable {
  readonly #options: EventStreamOptions;
  readonly #subscribers = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;
  readonly #held: AddressCounts;
  #isClosed = false;

  constructor(options: EventStreamOptions = DEFAULT_EVENT_STREAM_OPTIONS) {
    this.#options = options;
    this.#held = new AddressCounts(options.shares);
    this.#timer = setInterval(() => this.#sendAll(": still here\n\n"), options.commentIntervalMs);
    this.#timer.unref();
  }

  get subscriberCount(): number {
    return this.#subscribers.size;
  }

  /**
   * Answers with the stream and its first event, or with 503 if there is no room, 429 if this address has its share.
   *
   * @param from `more`: streams that the address and its network may have beyond their shares
   */
  subscribe(
    response: ServerResponse,
    first: ServerSentEvent | undefined,
    { address, more }: { readonly address: string; readonly more: AddressShares },
  ): void {
    if (this.#isClosed || this.#subscribers.size >= this.#options.maxSubscribers) return refuse(response, 503);
    if (!this.#held.take(address, more)) return refuse(response, 429);
    response.on("error", () => response.destroy());
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no",
    });
    response.write(first === undefined ? ": no release yet\n\n" : encodeServerSentEvent(first));
    this.#subscribers.add(response);
    response.once("close", () => {
      this.#subscribers.delete(response);
      this.#held.free(address);
    });
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

import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { NOTHING_MORE } from "../net/address-counts.ts";
import { DEFAULT_EVENT_STREAM_OPTIONS, EventStream } from "../net/event-stream.ts";
import { addressOf } from "./request-address.ts";

/** A page fetches itself anew for each event: more viewers than these poll. */
const MAX_VIEWERS = 50;

/** Tells open status pages that there is something new to show: `/.prsync/status/events`. */
export class StatusEvents implements Disposable {
  readonly #stream = new EventStream({ ...DEFAULT_EVENT_STREAM_OPTIONS, maxSubscribers: MAX_VIEWERS });
  #shown = "";

  register(app: FastifyInstance): void {
    app.get("/.prsync/status/events", async (request, reply) => {
      reply.hijack();
      this.#stream.subscribe(reply.raw, undefined, { address: addressOf(request), more: NOTHING_MORE });
      return reply;
    });
  }

  /** To be called now and then. @param show what a page would show; not asked for while nobody looks */
  tell(show: () => string): void {
    if (this.#stream.subscriberCount === 0) return;
    const shown = createHash("sha256").update(show()).digest("base64");
    if (shown !== this.#shown) this.#stream.publish({ event: "changed", data: "" });
    this.#shown = shown;
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}

import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { EventStream } from "../net/event-stream.ts";

/** A page fetches itself anew for each event: more viewers than these poll. */
const MAX_VIEWERS = 50;

/** Tells open status pages that there is something new to show: `/.prsync/status/events`. */
export class StatusEvents implements Disposable {
  readonly #stream = new EventStream({ maxSubscribers: MAX_VIEWERS, commentIntervalMs: 15_000 });
  #shown = "";

  register(app: FastifyInstance): void {
    app.get("/.prsync/status/events", async (_request, reply) => {
      reply.hijack();
      if (this.#stream.subscribe(reply.raw, undefined)) return reply;
      reply.raw.writeHead(503, { "Retry-After": "30", "Content-Length": "0" }).end();
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

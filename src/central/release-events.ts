import type { FastifyInstance } from "fastify";
import type { AddressShares } from "../net/address-counts.ts";
import { EventStream, type ServerSentEvent } from "../net/event-stream.ts";
import type { PublishedTree } from "./published-tree.ts";
import { addressOf } from "./request-address.ts";

/** Volunteers spread their next request over 0–2 s per hundred of them. */
const SPREAD_MS_PER_SUBSCRIBER = 20;

/** Tells subscribers of `/.prsync/events` the current release and each new one. */
export class ReleaseEvents implements Disposable {
  readonly #tree: PublishedTree;
  readonly #stream: EventStream;

  constructor(tree: PublishedTree, stream: EventStream = new EventStream()) {
    this.#tree = tree;
    this.#stream = stream;
  }

  get subscriberCount(): number {
    return this.#stream.subscriberCount;
  }

  /** @param volunteersAt how many are at an address and in its network: each has a stream, however many stand behind one NAT */
  register(app: FastifyInstance, volunteersAt: (address: string) => AddressShares): void {
    app.get("/.prsync/events", async (request, reply) => {
      const first = await this.#releaseEvent();
      reply.hijack();
      const address = addressOf(request);
      this.#stream.subscribe(reply.raw, first, { address, more: volunteersAt(address) });
      return reply;
    });
  }

  /** To be called when the current release changed. */
  async announce(): Promise<void> {
    const event = await this.#releaseEvent();
    if (event !== undefined) this.#stream.publish(event);
  }

  async #releaseEvent(): Promise<ServerSentEvent | undefined> {
    const release = this.#tree.release?.number;
    const timestamp = release === undefined ? undefined : await this.#tree.tufFile("timestamp.json");
    if (release === undefined || timestamp === undefined) return undefined;
    const data = {
      release,
      timestamp: Buffer.from(timestamp).toString("base64"),
      spreadMs: this.#stream.subscriberCount * SPREAD_MS_PER_SUBSCRIBER,
    };
    return { event: "release", data: JSON.stringify(data) };
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}

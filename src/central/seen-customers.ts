import type { Random } from "../core/clock.ts";
import { addressNetwork } from "../core/remote-address.ts";

type Headers = Readonly<Record<string, string>>;

/** What is looked at of a request's header fields. */
interface CustomerHeaders {
  readonly "user-agent"?: string | undefined;
  readonly accept?: string | undefined;
}

/** One per network, the one that was looked at last there. */
const MOST_NETWORKS = 256;
/** Fewer may be one person's, who writes there what is to be recognised again. */
const NETWORKS_NEEDED = 3;
/** Draws until one is found that enough networks sent. */
const MAX_DRAWS = 16;
/** Most customers come again and again: few need to be looked at. */
const LOOKED_AT_SHARE = 1 / 16;
/** What customers really send is shorter; no server refuses header fields of this size. */
const AGENT = /^[\x20-\x7e]{1,200}$/;
const ACCEPT = /^[\x20-\x7e]{1,100}$/;

/** Of Debian 12; until a customer was seen, and where it must not depend on strangers what an audit finds. */
export const BUILT_IN_CUSTOMER: Headers = { "user-agent": "Wget/1.21.3", accept: "*/*" };

/**
 * How customers' requests look, of the last few: central's audits look like them. Customers are strangers, so what they send is taken
 * only if it is harmless and comes from several networks (`addressNetwork`), each of which has one place; who is seen more often is taken more often.
 */
export class SeenCustomers {
  readonly #random: Random;
  readonly #networks: string[] = [];
  readonly #places = new Map<string, number>();
  readonly #headers: Headers[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  note(customer: CustomerHeaders, address: string): void {
    if (this.#random() > LOOKED_AT_SHARE) return;
    const { "user-agent": agent, accept } = customer;
    if ((agent !== undefined && !AGENT.test(agent)) || (accept !== undefined && !ACCEPT.test(accept))) return;
    const place = this.#placeFor(addressNetwork(address));
    this.#headers[place] = {
      ...(agent === undefined ? {} : { "user-agent": agent }),
      ...(accept === undefined ? {} : { accept }),
    };
  }

  #placeFor(network: string): number {
    const own = this.#places.get(network);
    if (own !== undefined) return own;
    const isFull = this.#networks.length >= MOST_NETWORKS;
    const place = isFull ? Math.floor(this.#random() * MOST_NETWORKS) : this.#networks.length;
    if (isFull) this.#places.delete(this.#networks[place]!);
    this.#networks[place] = network;
    this.#places.set(network, place);
    return place;
  }

  /** Header fields of one of them. */
  headers(): Headers {
    for (let draw = 0; draw < MAX_DRAWS && this.#headers.length >= NETWORKS_NEEDED; draw++) {
      const drawn = this.#headers[Math.floor(this.#random() * this.#headers.length)]!;
      if (this.#headers.filter((other) => isSame(drawn, other)).length >= NETWORKS_NEEDED) return drawn;
    }
    return BUILT_IN_CUSTOMER;
  }
}

function isSame(one: Headers, other: Headers): boolean {
  return one["user-agent"] === other["user-agent"] && one["accept"] === other["accept"];
}

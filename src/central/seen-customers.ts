import type { Random } from "../core/clock.ts";
import { addressGroup } from "../core/remote-address.ts";

type Headers = Readonly<Record<string, string>>;

/** What is looked at of a request's header fields. */
interface CustomerHeaders {
  readonly "user-agent"?: string | undefined;
  readonly accept?: string | undefined;
}

interface Seen {
  /** Undefined for the first one. */
  readonly from: string | undefined;
  readonly headers: Headers;
}

const MOST_SEEN = 32;
/** Most customers come again and again: few need to be looked at. */
const LOOKED_AT_SHARE = 1 / 16;
/** What customers really send is shorter; no server refuses header fields of this size. */
const AGENT = /^[\x20-\x7e]{1,200}$/;
const ACCEPT = /^[\x20-\x7e]{1,100}$/;

/** Of Debian 12; until a customer was seen, and where it must not depend on strangers what an audit finds. */
export const BUILT_IN_CUSTOMER: Headers = { "user-agent": "Wget/1.21.3", accept: "*/*" };

/**
 * How customers' requests look, of the last few: central's audits look like them. Customers are strangers, so what they send is taken
 * only if it is harmless, and each address (/64) has one place at most.
 */
export class SeenCustomers {
  readonly #random: Random;
  readonly #seen: Seen[] = [{ from: undefined, headers: BUILT_IN_CUSTOMER }];

  constructor(random: Random) {
    this.#random = random;
  }

  note(customer: CustomerHeaders, address: string): void {
    if (this.#random() > LOOKED_AT_SHARE) return;
    const { "user-agent": agent, accept } = customer;
    if ((agent !== undefined && !AGENT.test(agent)) || (accept !== undefined && !ACCEPT.test(accept))) return;
    const headers = {
      ...(agent === undefined ? {} : { "user-agent": agent }),
      ...(accept === undefined ? {} : { accept }),
    };
    const from = addressGroup(address);
    this.#seen[this.#placeFor(from)] = { from, headers };
  }

  #placeFor(address: string): number {
    const own = this.#seen.findIndex(({ from }) => from === address);
    if (own >= 0) return own;
    return this.#seen.length < MOST_SEEN ? this.#seen.length : Math.floor(this.#random() * MOST_SEEN);
  }

  /** Header fields of one of them. */
  headers(): Headers {
    return this.#seen[Math.floor(this.#random() * this.#seen.length)]!.headers;
  }
}

import type { IncomingHttpHeaders } from "node:http";
import type { Random } from "../core/clock.ts";

type Headers = Readonly<Record<string, string>>;

const MOST_SEEN = 32;
/** Most customers come again and again: few need to be looked at. */
const LOOKED_AT_SHARE = 1 / 16;
/** Of Debian 12; until a customer was seen. */
const FIRST: Headers = { "user-agent": "Wget/1.21.3", accept: "*/*" };

/** How customers' requests look, of the last few: central's audits look like them. */
export class SeenCustomers {
  readonly #random: Random;
  readonly #seen: Headers[] = [FIRST];

  constructor(random: Random) {
    this.#random = random;
  }

  note({ "user-agent": agent, accept }: IncomingHttpHeaders): void {
    if (this.#random() > LOOKED_AT_SHARE) return;
    const headers = {
      ...(agent === undefined ? {} : { "user-agent": agent }),
      ...(accept === undefined ? {} : { accept }),
    };
    const at = this.#seen.length < MOST_SEEN ? this.#seen.length : Math.floor(this.#random() * MOST_SEEN);
    this.#seen[at] = headers;
  }

  /** Header fields of one of them. */
  headers(): Headers {
    return this.#seen[Math.floor(this.#random() * this.#seen.length)]!;
  }
}

import type { IncomingMessage, ServerResponse } from "node:http";
import { plainAddress } from "../core/remote-address.ts";
import type { Customer } from "../delivery/eligibility.ts";
import { validatorsOf } from "../delivery/file-answer.ts";
import { wantedMetalink } from "../delivery/negotiation.ts";
import { evaluatePreconditions } from "../delivery/preconditions.ts";
import { OWN_PREFIX } from "../net/http-server.ts";
import type { SiteTable } from "../tracker/site-table.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { CustomerChoice } from "./customer-choice.ts";
import type { ReleasedFiles } from "./released-files.ts";
import type { SeenCustomers } from "./seen-customers.ts";

export interface RedirectFrontContext {
  readonly files: ReleasedFiles;
  readonly choice: CustomerChoice;
  readonly seen: SeenCustomers;
  readonly counters: CentralCounters;
  readonly siteTable: SiteTable;
  /** How customers reach central. */
  readonly protocol: "http" | "https";
}

/** Customers whose site is known: forgotten together when there are more. */
const MAX_CUSTOMERS = 16_384;

/**
 * Answers what most customers want, a plain GET of a file that a volunteer has, before the router sees it: that costs half of a redirect.
 * Only without trusted proxies, because here the socket's address is the customer's.
 */
export class RedirectFront {
  readonly #context: RedirectFrontContext;
  readonly #customers = new Map<string, Customer>();
  /** Requests that were decided here, with the outcome that central serves them. */
  readonly #forOrigin = new WeakSet<IncomingMessage>();

  constructor(context: RedirectFrontContext) {
    this.#context = context;
  }

  /** False: the request is not of this kind, or central serves it; it goes the usual way then. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const { method, url = "", headers } = request;
    if ((method !== "GET" && method !== "HEAD") || url.startsWith(OWN_PREFIX) || hasBody(request)) return false;
    const { files, choice, counters, seen } = this.#context;
    const file = files.find(url);
    if (file === undefined || wantedMetalink(headers.accept, file.served.mediaType) !== undefined) return false;
    const isBodyless = evaluatePreconditions(headers, validatorsOf(file.served)) !== "proceed";
    const customer = this.#customerAt(plainAddress(request.socket.remoteAddress ?? ""));
    const { range } = headers;
    const demand = { customer, file, isHead: method === "HEAD", range, isOriginWanted: false, isBodyless };
    const redirect = choice.redirect(demand);
    if (redirect === undefined) {
      this.#forOrigin.add(request);
      return false;
    }
    counters.customerRequests++;
    seen.note(headers, customer.address);
    response.writeHead(302, redirect).end();
    return true;
  }

  /** Central serves this one: not to be decided again. */
  isForOrigin(request: IncomingMessage): boolean {
    return this.#forOrigin.has(request);
  }

  #customerAt(address: string): Customer {
    const known = this.#customers.get(address);
    if (known !== undefined) return known;
    const { siteTable, protocol } = this.#context;
    const customer: Customer = { address, site: siteTable.siteOf(address), protocol };
    if (this.#customers.size >= MAX_CUSTOMERS) this.#customers.clear();
    this.#customers.set(address, customer);
    return customer;
  }
}

/** Refused in the usual way (row H02). */
function hasBody({ headers }: IncomingMessage): boolean {
  return (headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined;
}

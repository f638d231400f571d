import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { addressGroup, plainAddress } from "../core/remote-address.ts";
import type { Customer } from "../delivery/eligibility.ts";
import { validatorsOf } from "../delivery/file-answer.ts";
import { wantedMetalink } from "../delivery/negotiation.ts";
import { type ConditionalHeaders, evaluatePreconditions } from "../delivery/preconditions.ts";
import { redirectFields, redirectHeaders, type RedirectPlace } from "../delivery/redirect-answer.ts";
import { OWN_PREFIX } from "../net/http-server.ts";
import { hasBody } from "../net/http-server-rates.ts";
import type { PlainRequest } from "../net/plain-request.ts";
import type { PlainFront } from "../net/plain-requests.ts";
import type { SiteTable } from "../tracker/site-table.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { CustomerChoice } from "./customer-choice.ts";
import type { ReleasedFile, ReleasedFiles } from "./released-files.ts";
import { portOf } from "./request-address.ts";
import type { SeenCustomers } from "./seen-customers.ts";

export interface RedirectFrontContext {
  readonly files: ReleasedFiles;
  readonly choice: CustomerChoice;
  readonly seen: SeenCustomers;
  readonly counters: CentralCounters;
  readonly siteTable: SiteTable;
  readonly clock: Clock;
  /** How customers reach central. */
  readonly protocol: "http" | "https";
}

/** What is known of an address without asking. */
interface KnownCustomer {
  readonly customer: Customer;
  readonly customerGroup: string;
}

/** A request that may end in a redirect. */
interface Asked {
  readonly method: string;
  readonly target: string;
  readonly address: string;
  /** 0: it says nothing. */
  readonly port: number;
  readonly headers: CustomerHeaders;
}

type CustomerHeaders = ConditionalHeaders & {
  readonly accept?: string | undefined;
  readonly "user-agent"?: string | undefined;
  readonly range?: string | undefined;
};

interface Redirect {
  readonly file: ReleasedFile;
  readonly places: readonly RedirectPlace[];
}

/** Customers whose site is known: forgotten together when there are more. */
const MAX_CUSTOMERS = 16_384;

/**
 * Answers what most customers want, a plain GET of a file that a volunteer has: before node:http sees the connection
 * ({@link PlainFront}), else before the router sees the request. Each of the two costs more than all that a redirect needs.
 * Only without trusted proxies, because here the socket's address is the customer's.
 */
export class RedirectFront implements PlainFront {
  readonly #context: RedirectFrontContext;
  readonly #customers = new Map<string, KnownCustomer>();
  /** Requests that were decided here, with the outcome that central serves them. */
  readonly #forOrigin = new WeakSet<IncomingMessage>();
  /** Connections whose next request was decided so before node:http saw it. */
  readonly #nextForOrigin = new WeakSet<Socket>();

  constructor(context: RedirectFrontContext) {
    this.#context = context;
  }

  /** False: the request is not of this kind, or central serves it; it goes the usual way then. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const { method = "", url = "", headers, socket } = request;
    if (this.#nextForOrigin.delete(socket)) this.#forOrigin.add(request);
    else if ((method === "GET" || method === "HEAD") && !hasBody(request)) {
      const redirect = this.#redirect({
        method,
        target: url,
        address: socket.remoteAddress ?? "",
        port: portOf(request),
        headers,
      });
      if (typeof redirect === "object") {
        response.writeHead(302, redirectHeaders(redirect.places, redirect.file.target)).end();
        return true;
      }
      if (redirect === "origin") this.#forOrigin.add(request);
    }
    this.#context.files.noteLook();
    return false;
  }

  /** The fields of a 302, or undefined as {@link answer} says false. */
  answerPlain(request: PlainRequest, socket: Socket): string | undefined {
    const { method, target, address, headers } = request;
    // Fields that proxies add are none of a plain request's.
    const redirect = this.#redirect({ method, target, address, headers, port: socket.remotePort ?? 0 });
    if (typeof redirect === "object") return redirectFields(redirect.places, redirect.file.target);
    if (redirect === "origin") this.#nextForOrigin.add(socket);
    return undefined;
  }

  /** Central serves this one: not to be decided again. */
  isForOrigin(request: IncomingMessage): boolean {
    return this.#forOrigin.has(request);
  }

  /** "other": nothing was decided. */
  #redirect({ method, target, address, port, headers }: Asked): Redirect | "origin" | "other" {
    if (target.startsWith(OWN_PREFIX)) return "other";
    const { files, choice, counters, seen, clock } = this.#context;
    const file = files.find(target, clock.monotonicMs());
    if (file === undefined || wantedMetalink(headers.accept, file.served.mediaType) !== undefined) return "other";
    const { customer, customerGroup } = this.#customers.get(address) ?? this.#meet(address);
    const places = choice.redirect({
      customer,
      customerGroup,
      file,
      isHead: method === "HEAD",
      range: headers.range,
      port,
      agent: headers["user-agent"],
      isOriginWanted: false,
      isBodyless: isConditional(headers) && evaluatePreconditions(headers, validatorsOf(file.served)) !== "proceed",
    });
    if (places === undefined) return "origin";
    counters.customerRequests++;
    seen.note(headers, customer.address);
    return { file, places };
  }

  #meet(socketAddress: string): KnownCustomer {
    const { siteTable, protocol } = this.#context;
    const address = plainAddress(socketAddress);
    const customer: Customer = { address, site: siteTable.siteOf(address), protocol };
    const known = { customer, customerGroup: addressGroup(address) };
    if (this.#customers.size >= MAX_CUSTOMERS) this.#customers.clear();
    this.#customers.set(socketAddress, known);
    return known;
  }
}

function isConditional(headers: ConditionalHeaders): boolean {
  return (
    headers["if-none-match"] !== undefined ||
    headers["if-modified-since"] !== undefined ||
    headers["if-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  );
}

import type { IncomingMessage, ServerResponse } from "node:http";
import { addressGroup, ipv6Site } from "../core/remote-address.ts";
import { RequestBudget, type RequestRate } from "../delivery/request-budget.ts";
import { type HttpProblem, problemBody } from "./http-server-problem.ts";

/** 1,000 a second keep no client waiting that fetches file after file, and are a fortieth of what one core redirects. */
export const DEFAULT_REQUEST_RATE: RequestRate = { perSecond: 1_000, burst: 10_000 };

/** The same below the program's own addresses, however narrow customers are kept: mirrors fetch metadata there, object by object. */
const OWN_RATE: RequestRate = DEFAULT_REQUEST_RATE;
/** As many addresses' shares has a /48, which has 65,536 /64s. */
const ADDRESSES_PER_NETWORK = 4;

/** 429 and not 503: this customer asks too much, while the server serves all others (RFC 6585 §4). */
export const TOO_MANY_REQUESTS: HttpProblem = {
  code: "too-many-requests",
  message: "this address asks for more than one may; ask again later",
};
const BODY = problemBody(TOO_MANY_REQUESTS);
const FIELDS = {
  "Content-Type": "application/json; charset=utf-8",
  "Cache-Control": "no-store",
  "Content-Length": String(BODY.length),
};

export interface RequestLimitOptions {
  readonly rate: RequestRate;
  /** Targets that begin so are counted apart from files. */
  readonly ownPrefix: string;
  /** Of these, paths that are not counted at all: volunteers' signed requests have limits of their own. */
  readonly selfLimited?: readonly string[] | undefined;
  readonly onRefused?: (() => void) | undefined;
}

/** Where the requests of an address are counted. */
export interface RequestPlaces {
  readonly host: number;
  /** Of the /48; undefined for IPv4. */
  readonly network: number | undefined;
}

/** How much an address (IPv4, or /64 of IPv6; four times as much a /48) may ask for, whichever part of the server answers. */
export class RequestLimit {
  readonly #files: AddressBudget;
  readonly #own: AddressBudget;
  readonly #options: RequestLimitOptions;

  constructor(options: RequestLimitOptions) {
    this.#options = options;
    this.#files = new AddressBudget(options.rate);
    this.#own = new AddressBudget(OWN_RATE);
  }

  /** Who asks from this address for files, for the others. */
  placesOf(address: string): RequestPlaces {
    return this.#files.placesOf(address);
  }

  /** Whether {@link retrySeconds} and {@link note} are for it. */
  isForFile(target: string): boolean {
    return !target.startsWith(this.#options.ownPrefix);
  }

  /** Seconds to be told in `Retry-After`; 0: the request may come. */
  retrySeconds(places: RequestPlaces): number {
    return this.#toldSeconds(this.#files.waitMs(places));
  }

  note(places: RequestPlaces): void {
    this.#files.spend(places, 1);
  }

  /** Counts a request that was let in as so many more. */
  charge(address: string, target: string, requests: number): void {
    const budget = this.#budgetOf(target);
    if (requests > 0) budget?.spend(budget.placesOf(address), requests);
  }

  /** Counts a request; 0, or the seconds to be told if it may not come now. */
  take(address: string, target: string): number {
    const budget = this.#budgetOf(target);
    if (budget === undefined) return 0;
    const places = budget.placesOf(address);
    const seconds = this.#toldSeconds(budget.waitMs(places));
    if (seconds === 0) budget.spend(places, 1);
    return seconds;
  }

  /** True: the request was refused. Those that no route takes are refused for that, with an end of the connection. */
  refuse(request: IncomingMessage, response: ServerResponse): boolean {
    const { method, url = "", socket } = request;
    const isBare = (method === "GET" || method === "HEAD") && !hasBody(request);
    if (!isBare && this.isForFile(url)) return false;
    const seconds = this.take(socket.remoteAddress ?? "", url);
    if (seconds === 0) return false;
    // A body is not read for that.
    if (!isBare) response.setHeader("Connection", "close");
    response.writeHead(429, { ...FIELDS, "Retry-After": String(seconds) }).end(BODY);
    return true;
  }

  #budgetOf(target: string): AddressBudget | undefined {
    if (this.isForFile(target)) return this.#files;
    const [path = ""] = target.split("?", 1);
    return this.#options.selfLimited?.includes(path) === true ? undefined : this.#own;
  }

  #toldSeconds(waitMs: number): number {
    if (waitMs === 0) return 0;
    this.#options.onRefused?.();
    return Math.ceil(waitMs / 1000);
  }
}

/** One rate, for each address and, several times as much, for each /48. */
class AddressBudget {
  readonly #hosts: RequestBudget;
  readonly #networks: RequestBudget;

  constructor({ perSecond, burst }: RequestRate) {
    this.#hosts = new RequestBudget({ perSecond, burst }, anySeed());
    const shared = { perSecond: ADDRESSES_PER_NETWORK * perSecond, burst: ADDRESSES_PER_NETWORK * burst };
    this.#networks = new RequestBudget(shared, anySeed());
  }

  placesOf(address: string): RequestPlaces {
    const network = ipv6Site(address);
    return {
      host: this.#hosts.placesOf(addressGroup(address)),
      network: network === undefined ? undefined : this.#networks.placesOf(network),
    };
  }

  waitMs({ host, network }: RequestPlaces): number {
    const nowMs = performance.now();
    const waitMs = this.#hosts.waitMs(host, nowMs);
    return network === undefined ? waitMs : Math.max(waitMs, this.#networks.waitMs(network, nowMs));
  }

  spend({ host, network }: RequestPlaces, requests: number): void {
    const nowMs = performance.now();
    this.#hosts.spend(host, nowMs, requests);
    if (network !== undefined) this.#networks.spend(network, nowMs, requests);
  }
}

function anySeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}

/** Of a request: refused in the usual way (row H02). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return (headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined;
}

/** For who writes heads itself: status line and fields, each with its end, and the body, which HEAD has not. */
export function refusalText(method: string, seconds: number): { readonly fields: string; readonly body: string } {
  const lines = Object.entries({ ...FIELDS, "Retry-After": seconds }).map(([name, value]) => `${name}: ${value}\r\n`);
  return { fields: `HTTP/1.1 429 Too Many Requests\r\n${lines.join("")}`, body: method === "HEAD" ? "" : BODY };
}

import type { IncomingMessage, ServerResponse } from "node:http";
import { addressGroup } from "../core/remote-address.ts";
import { RequestBudget, type RequestRate } from "../delivery/request-budget.ts";
import { type HttpProblem, problemBody } from "./http-server-problem.ts";

/** 1,000 a second keep no client waiting that fetches file after file, and are a fortieth of what one core redirects. */
export const DEFAULT_REQUEST_RATE: RequestRate = { perSecond: 1_000, burst: 10_000 };

/** 429 and not 503: this customer asks too much, while the server serves all others (RFC 6585 §4). */
export const TOO_MANY_REQUESTS: HttpProblem = {
  code: "too-many-requests",
  message: "this address asks for more files than one may; ask again later",
};
const BODY = problemBody(TOO_MANY_REQUESTS);
const FIELDS = {
  "Content-Type": "application/json; charset=utf-8",
  "Cache-Control": "no-store",
  "Content-Length": String(BODY.length),
};

export interface RequestLimitOptions {
  readonly rate: RequestRate;
  /** Targets that begin so are not counted: volunteers' requests have limits of their own. */
  readonly freePrefix: string;
  readonly onRefused?: (() => void) | undefined;
}

/** How many files an address (IPv4, or /64 of IPv6) may ask for, whichever part of the server answers. */
export class RequestLimit {
  readonly #budget: RequestBudget;
  readonly #options: RequestLimitOptions;

  constructor(options: RequestLimitOptions) {
    this.#options = options;
    this.#budget = new RequestBudget(options.rate, Math.floor(Math.random() * 2 ** 32));
  }

  /** Who asks from this address, for the others. */
  placesOf(address: string): number {
    return this.#budget.placesOf(addressGroup(address));
  }

  isCounted(target: string): boolean {
    return !target.startsWith(this.#options.freePrefix);
  }

  /** Seconds to be told in `Retry-After`; 0: the request may come. */
  retrySeconds(places: number): number {
    const waitMs = this.#budget.waitMs(places, performance.now());
    if (waitMs === 0) return 0;
    this.#options.onRefused?.();
    return Math.ceil(waitMs / 1000);
  }

  /** @param requests as how many it counts */
  note(places: number, requests = 1): void {
    this.#budget.spend(places, performance.now(), requests);
  }

  /** Counts a request; 0, or the seconds to be told if it may not come now. */
  take(address: string): number {
    const places = this.placesOf(address);
    const seconds = this.retrySeconds(places);
    if (seconds === 0) this.note(places);
    return seconds;
  }

  /** True: the request was refused. Those that no route takes are refused for that, with an end of the connection. */
  refuse(request: IncomingMessage, response: ServerResponse): boolean {
    const { method, url = "", socket } = request;
    if ((method !== "GET" && method !== "HEAD") || hasBody(request) || !this.isCounted(url)) return false;
    const seconds = this.take(socket.remoteAddress ?? "");
    if (seconds === 0) return false;
    response.writeHead(429, { ...FIELDS, "Retry-After": String(seconds) }).end(BODY);
    return true;
  }
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

import { Agent as HttpAgent, type IncomingHttpHeaders } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { LookupFunction, Socket } from "node:net";
import { NetError } from "./errors.ts";
import { HttpTransfer } from "./http-transfer.ts";
import { type RateFloor, withRateFloor } from "./transfer-rate.ts";

export interface HttpClientOptions {
  /** Connections to one host at a time. */
  readonly maxSockets: number;
  readonly connectTimeoutMs: number;
  /** From the request to the answer's head. */
  readonly responseTimeoutMs: number;
  /** A kept connection that is not used for so long is closed. */
  readonly idleTimeoutMs: number;
  /** Of names; the system's unless told. */
  readonly lookup?: LookupFunction;
  /** An address of this host that connections come from; left out: the system chooses. */
  readonly localAddress?: string;
}

export const HTTP_CLIENT_DEFAULTS: HttpClientOptions = {
  maxSockets: 8,
  connectTimeoutMs: 10_000,
  responseTimeoutMs: 30_000,
  idleTimeoutMs: 15_000,
};

export interface RequestLimits {
  /** Of the body; one byte more ends the transfer. */
  readonly maxBytes: number;
  /** For everything up to the last byte; Infinity where only the rate counts. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /** 0 or left out: no floor. Averaged over {@link rateWindowMs} of waiting. */
  readonly minBytesPerSecond?: number;
  /** Default 10 s. */
  readonly rateWindowMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GetOptions extends RequestLimits {
  /** Half-open range of bytes. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Default 0: an answer 3xx is handed out as it is. */
  readonly maxRedirects?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Bytes read from the socket for this answer, head and framing included. */
  readonly receivedBytes: number;
}

/** An answer whose body is read as it comes. Disposing of it before the end closes the connection. */
export interface HttpStream extends AsyncDisposable {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Once. @throws NetError `too-large`, `too-slow`, `timeout`, `unreachable`; the signal's reason */
  readonly body: AsyncIterable<Uint8Array>;
  /** So far. */
  readonly receivedBytes: number;
}

const DEFAULT_RATE_WINDOW_MS = 10_000;
/** Node's agent lets the kernel ask the other side every second whether it is there: each stream that waits for events would cost central an answer. */
const PROBE_AFTER_MS = 60_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * HTTP as PRsync's programs speak it to central and to each other: kept connections, bodies as they are (no content
 * coding), every transfer with a cap, a deadline and, where asked, a lowest rate; certificates are checked. Statuses are
 * the caller's to judge.
 */
export class HttpClient implements AsyncDisposable {
  readonly #options: HttpClientOptions;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #sockets = new Set<Socket>();
  #closedBytes = 0;

  constructor(options: Partial<HttpClientOptions> = {}) {
    this.#options = { ...HTTP_CLIENT_DEFAULTS, ...options };
    const { maxSockets, idleTimeoutMs, lookup, localAddress } = this.#options;
    const named = {
      ...(lookup === undefined ? {} : { lookup }),
      ...(localAddress === undefined ? {} : { localAddress }),
    };
    const kept = { keepAlive: true, keepAliveMsecs: PROBE_AFTER_MS };
    const agentOptions = { ...kept, maxSockets, timeout: idleTimeoutMs, ...named };
    this.#http = new HttpAgent(agentOptions);
    this.#https = new HttpsAgent(agentOptions);
  }

  /** Bytes read from all sockets so far, heads and framing included (of TLS: what it carried). */
  get receivedBytes(): number {
    let total = this.#closedBytes;
    for (const socket of this.#sockets) total += socket.bytesRead;
    return total;
  }

  /** @throws NetError `unreachable`, `timeout`, `too-slow`, `too-large`, `bad-response`; the signal's reason */
  async get(url: string | URL, options: GetOptions): Promise<HttpResponse> {
    await using stream = await this.stream(url, options);
    return await collect(stream);
  }

  /** As {@link get}, the body as it comes. */
  async stream(url: string | URL, options: GetOptions): Promise<HttpStream> {
    const headers = { ...options.headers, ...rangeHeader(options.range) };
    let target = parseHttpUrl(url);
    for (let redirects = options.maxRedirects ?? 0; ; redirects--) {
      const transfer = await this.#startRepeatable("GET", target, { ...options, headers });
      const { statusCode = 0, headers: answered } = transfer.response;
      if (redirects <= 0 || !REDIRECTS.has(statusCode) || answered.location === undefined) {
        return streamOf(transfer, options);
      }
      transfer.finish();
      target = parseHttpUrl(answered.location, target);
    }
  }

  /**
   * Never repeated by itself, unless `isRepeatable`: a kept connection may turn out to be closed. @throws as {@link get}
   */
  async post(
    url: string | URL,
    body: Uint8Array | string,
    options: RequestLimits & { readonly isRepeatable?: boolean },
  ): Promise<HttpResponse> {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const headers = { ...options.headers, "content-length": String(bytes.length) };
    const limits = { ...options, headers, body: bytes };
    const target = parseHttpUrl(url);
    const isRepeatable = options.isRepeatable === true;
    const transfer = isRepeatable
      ? await this.#startRepeatable("POST", target, limits)
      : await this.#start("POST", target, limits);
    await using stream = streamOf(transfer, options);
    return await collect(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.destroy();
    this.#https.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** After a pause, of the other side or of this program, all kept connections may turn out to be closed: then `act` is repeated over others. */
  async replacingStale<Result>(act: () => Promise<Result>): Promise<Result> {
    for (let stale = 0; ; stale++) {
      try {
        return await act();
      } catch (error) {
        if (!HttpTransfer.wasStaleConnection(error) || stale >= this.#options.maxSockets) throw error;
      }
    }
  }

  #startRepeatable(
    method: string,
    url: URL,
    limits: RequestLimits & { readonly body?: Uint8Array },
  ): Promise<HttpTransfer> {
    return this.replacingStale(() => this.#start(method, url, limits));
  }

  async #start(
    method: string,
    url: URL,
    limits: RequestLimits & { readonly body?: Uint8Array },
  ): Promise<HttpTransfer> {
    try {
      return await this.#startOnce(method, url, limits);
    } catch (error) {
      if (!HttpTransfer.neverLeftThisHost(error)) throw error;
      return await this.#startOnce(method, url, limits);
    }
  }

  #startOnce(method: string, url: URL, limits: RequestLimits & { readonly body?: Uint8Array }): Promise<HttpTransfer> {
    return HttpTransfer.start(url, {
      request: {
        method,
        agent: url.protocol === "https:" ? this.#https : this.#http,
        headers: { "accept-encoding": "identity", ...limits.headers },
      },
      body: limits.body,
      signal: limits.signal,
      deadlineMs: limits.deadlineMs,
      connectTimeoutMs: this.#options.connectTimeoutMs,
      responseTimeoutMs: this.#options.responseTimeoutMs,
      onSocket: (socket) => this.#track(socket),
    });
  }

  #track(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#closedBytes += socket.bytesRead;
    });
  }
}

function streamOf(transfer: HttpTransfer, limits: GetOptions): HttpStream {
  const { statusCode = 0, headers } = transfer.response;
  const problem = problemOf(transfer, limits);
  if (problem !== undefined) {
    transfer.giveUp(problem);
    transfer.finish();
    throw problem;
  }
  return {
    status: statusCode,
    headers,
    body: readBody(transfer, limits),
    get receivedBytes() {
      return transfer.receivedBytes;
    },
    [Symbol.asyncDispose]: async () => transfer.finish(),
  };
}

async function* readBody(transfer: HttpTransfer, limits: RequestLimits): AsyncGenerator<Uint8Array, void, void> {
  let received = 0;
  try {
    for await (const chunk of pacedBody(transfer, limits)) {
      received += chunk.length;
      if (received > limits.maxBytes) throw tooLarge(transfer, limits.maxBytes);
      yield chunk;
    }
  } catch (error) {
    throw transfer.reasonOf(error);
  } finally {
    transfer.finish();
  }
}

function pacedBody(transfer: HttpTransfer, limits: RequestLimits): AsyncIterable<Uint8Array> {
  const chunks = transfer.response as AsyncIterable<Uint8Array>;
  const { minBytesPerSecond = 0, rateWindowMs: windowMs = DEFAULT_RATE_WINDOW_MS } = limits;
  if (minBytesPerSecond <= 0) return chunks;
  const floor: RateFloor = { minBytesPerSecond, windowMs };
  return withRateFloor(chunks, floor, (error) => transfer.giveUp(error));
}

function problemOf(transfer: HttpTransfer, limits: GetOptions): NetError | undefined {
  const { statusCode, headers } = transfer.response;
  const coding = headers["content-encoding"];
  if (coding !== undefined && coding !== "identity") {
    return new NetError("bad-response", `${transfer.url.href}: expected no content coding, got ${coding}`);
  }
  if (Number(headers["content-length"] ?? 0) > limits.maxBytes) return tooLarge(transfer, limits.maxBytes);
  if (limits.range === undefined || statusCode !== 206) return undefined;
  const wanted = `bytes ${limits.range.start}-`;
  const got = headers["content-range"];
  if (got?.startsWith(wanted) === true) return undefined;
  return new NetError("bad-response", `${transfer.url.href}: expected "${wanted}…", got "${got}"`);
}

function tooLarge(transfer: HttpTransfer, maxBytes: number): NetError {
  return new NetError("too-large", `${transfer.url.href}: expected at most ${maxBytes} bytes, got more`);
}

async function collect(stream: HttpStream): Promise<HttpResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream.body) chunks.push(chunk);
  const { status, headers, receivedBytes } = stream;
  return { status, headers, body: Buffer.concat(chunks), receivedBytes };
}

function rangeHeader(range: GetOptions["range"]): Record<string, string> {
  return range === undefined ? {} : { range: `bytes=${range.start}-${range.end - 1}` };
}

function parseHttpUrl(url: string | URL, base?: URL): URL {
  const parsed = URL.parse(String(url), base?.href);
  if (parsed?.protocol === "http:" || parsed?.protocol === "https:") return parsed;
  throw new NetError("bad-response", `expected an http or https URL, got ${JSON.stringify(String(url))}`);
}

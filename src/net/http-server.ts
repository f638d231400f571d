import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIPv6, type Socket } from "node:net";
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { messageOf } from "../core/errors.ts";
import type { AnsweredRequest } from "../report/access-line.ts";
import { AnsweredRequests } from "./answered-requests.ts";
import { NetError } from "./errors.ts";
import type { RequestRate } from "../delivery/request-budget.ts";
import { ConnectionCaps, type ReservedConnections } from "./http-server-caps.ts";
import { answerClientError, sendProblem } from "./http-server-problem.ts";
import { DEFAULT_REQUEST_RATE, RequestLimit, TOO_MANY_REQUESTS } from "./http-server-rates.ts";
import { PlainConnections, type PlainFront } from "./plain-requests.ts";
import { SlowReaderGuard, type SlowReaderLimits } from "./http-server-slow-readers.ts";

/** Limits of reliability's rows H02, H08–H12; everything in milliseconds or counts. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** Addresses or networks whose `X-Forwarded-For` is believed; empty: the socket's address always. */
  readonly trustedProxies: readonly string[];
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Places that are kept for some addresses when connections run out. */
  readonly reservedConnections?: ReservedConnections | undefined;
  /** How often one address may ask for files, everything outside {@link OWN_PREFIX}; undefined: for everything as often as it likes. */
  readonly requestRate: RequestRate | undefined;
  /** Below {@link OWN_PREFIX} an address has a rate of its own; these, paths as they are asked for, have limits of their own. */
  readonly selfLimited?: readonly string[] | undefined;
  /** Hears of each request that was refused for that. */
  readonly onTooMany?: (() => void) | undefined;
  readonly slowReaders: SlowReaderLimits;
  readonly timeouts: HttpTimeouts;
  /** How long open transfers may go on once the server is closed. */
  readonly closeGraceMs: number;
  /** Hears of requests that failed for a reason of ours (answered 500), to log them. */
  readonly onFailure?: (failure: { readonly target: string; readonly error: unknown }) => void;
  /** Sees each request before the router; true: it was answered. */
  readonly front?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Sees plain requests before node:http does. Only without trusted proxies: the socket's address is the customer's. */
  readonly plainFront?: PlainFront;
  /** Hears of every request once its answer is sent or its connection gone, for an access log. */
  readonly onAnswered?: (answered: AnsweredRequest) => void;
}

/** How long a client may take, milliseconds (row H09); looked at as often as the interval says. */
export interface HttpTimeouts {
  readonly headersTimeout: number;
  /** For head and body together. */
  readonly requestTimeout: number;
  readonly keepAliveTimeout: number;
  readonly connectionsCheckingInterval: number;
}

export const DEFAULT_HTTP_SERVER_OPTIONS: Omit<HttpServerOptions, "host" | "port"> = {
  trustedProxies: [],
  maxConnections: 10_000,
  maxConnectionsPerAddress: 1_000,
  requestRate: DEFAULT_REQUEST_RATE,
  slowReaders: { minimumBytesPerSecond: 1_000, periodMs: 30_000, checkIntervalMs: 10_000 },
  timeouts: {
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    keepAliveTimeout: 5_000,
    connectionsCheckingInterval: 1_000,
  },
  closeGraceMs: 3_000,
};

/** A listening server; disposing it refuses new connections at once and ends open ones after the grace period. */
export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  /** Base URL for this machine, without a slash at the end. */
  readonly url: string;
  readonly connectionCount: number;
}

/** Counts a request, which was counted once when it came, as so many more against the rate of its address. */
export type ChargeRequests = (request: FastifyRequest, requests: number) => void;

/** Where the program's own addresses begin; every other target, however odd, is a path of the release. */
export const OWN_PREFIX = "/.prsync/";
/** Bytes (row H08). */
const MAX_HEADER_BYTES: number = 8 * 1024;
/** The only route for customers' paths: the router never sees their bytes (it would refuse names that aren't UTF-8). */
export const FILES_ROUTE = "/";
/** Largest body of a request: an announce (docs/protocol.md). */
export const MAX_BODY_BYTES: number = 1024 * 1024;

/**
 * Listens with all limits in place. `register` adds routes: {@link FILES_ROUTE} for customers (the raw target is
 * `request.originalUrl`), everything else below {@link OWN_PREFIX}. Bodies arrive as Buffers, never parsed.
 *
 * @throws NetError `listen-failed`
 */
export async function listenHttp(
  options: HttpServerOptions,
  register: (app: FastifyInstance, charge: ChargeRequests) => void,
): Promise<HttpServer> {
  const limit = requestLimit(options);
  const app = createApp(options, limit);
  const plain = plainConnections(app, options, limit);
  const caps = new ConnectionCaps({ ...options, reserved: options.reservedConnections });
  const guard = new SlowReaderGuard(options.slowReaders);
  app.server.on("connection", (socket: Socket) => {
    // Without a listener an ECONNRESET between two requests would end the process.
    socket.on("error", () => socket.destroy());
    if (caps.admit(socket)) guard.watch(socket);
    else socket.destroy();
  });
  register(app, (request, requests) => limit?.charge(request.ip, request.originalUrl, requests));
  await listen(app, options);
  const { port } = app.server.address() as AddressInfo;
  return {
    port,
    url: baseUrlAt(options.host, port),
    get connectionCount(): number {
      return caps.connectionCount;
    },
    [Symbol.asyncDispose]: async () => {
      guard.stop();
      await closeWithin(app, plain, options.closeGraceMs);
    },
  };
}

/** Where this machine reaches what listens there, without a slash at the end: a wildcard is no address to connect to. */
export function baseUrlAt(host: string, port: number): string {
  if (host === "::" || host === "0.0.0.0") return `http://127.0.0.1:${port}`;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

async function listen(app: FastifyInstance, { host, port }: HttpServerOptions): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const told = `expected to listen for HTTP at ${host} port ${port}, got: ${messageOf(error)}`;
    throw new NetError("listen-failed", told, { cause: error });
  }
}

function requestLimit({ requestRate: rate, selfLimited, onTooMany }: HttpServerOptions): RequestLimit | undefined {
  if (rate === undefined) return undefined;
  return new RequestLimit({ rate, ownPrefix: OWN_PREFIX, selfLimited, onRefused: onTooMany });
}

function createApp(options: HttpServerOptions, limit: RequestLimit | undefined): FastifyInstance {
  const answered = options.onAnswered === undefined ? undefined : new AnsweredRequests(options.onAnswered);
  const app: FastifyInstance = fastify({
    logger: false,
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    bodyLimit: MAX_BODY_BYTES,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    serverFactory: (route) => createHttpServer(route, { options, answered, limit }),
    clientErrorHandler: answerClientError,
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      void sendProblem(reply, error.statusCode ?? 400, { code: "bad-request", message: error.message });
    },
    rewriteUrl: (request) => (request.url?.startsWith(OWN_PREFIX) === true ? request.url : FILES_ROUTE),
    routerOptions: { maxParamLength: 256, querystringParser: () => ({}) },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  if (answered !== undefined && options.trustedProxies.length > 0)
    app.addHook("onRequest", async (request) => answered.noteForwarded(request.raw, request.ip));
  app.addHook("onRequest", refuseEarly);
  if (limit !== undefined && options.trustedProxies.length > 0)
    app.addHook("onRequest", async (request, reply) => refuseTooMany(limit, request, reply));
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(error, { request, reply, options }));
  return app;
}

type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

interface RequestParts {
  readonly options: HttpServerOptions;
  readonly answered: AnsweredRequests | undefined;
  readonly limit: RequestLimit | undefined;
}

function createHttpServer(route: RequestHandler, { options, answered, limit }: RequestParts): Server {
  // Behind a proxy it is the router that knows the customer's address.
  const direct = options.trustedProxies.length === 0 ? limit : undefined;
  const handle: RequestHandler = (request, response) => {
    if (direct?.refuse(request, response) === true) return;
    if (!asksFront(options, request, response)) route(request, response);
  };
  const limits = { ...options.timeouts, maxHeaderSize: MAX_HEADER_BYTES };
  const server =
    answered === undefined
      ? createServer(limits, handle)
      : createServer({ ...limits, ServerResponse: answered.ServerResponse }, (request, response) => {
          answered.watch(request, response);
          handle(request, response);
        });
  server.maxRequestsPerSocket = 1_000;
  return server;
}

/** True: the front answered. A front that fails costs at most this answer: thrown on, its error would end the process. */
function asksFront(options: HttpServerOptions, request: IncomingMessage, response: ServerResponse): boolean {
  try {
    return options.front?.(request, response) === true;
  } catch (error) {
    options.onFailure?.({ target: request.url ?? "", error });
    if (!response.headersSent) return false;
    response.destroy();
    return true;
  }
}

/** Refuses what no route takes before a byte of a body is read (rows H02, H22). */
async function refuseEarly(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  const { "content-length": length = "0", "transfer-encoding": encoding } = request.headers;
  if (isRead && (length !== "0" || encoding !== undefined)) {
    void reply.header("Connection", "close");
    return sendProblem(reply, 413, { code: "body-not-allowed", message: `${request.method} takes no body` });
  }
  if (!request.is404) return undefined;
  void reply.header("Connection", "close");
  if (isRead) return sendProblem(reply, 404, { code: "not-found", message: "no such address" });
  void reply.header("Allow", "GET, HEAD");
  return sendProblem(reply, 405, { code: "method-not-allowed", message: `${request.method} is not answered here` });
}

/** {@link RequestLimit.refuse} for who comes by a trusted proxy. */
async function refuseTooMany(
  limit: RequestLimit,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const seconds = limit.take(request.ip, request.originalUrl);
  if (seconds === 0) return undefined;
  return sendProblem(reply.header("Retry-After", String(seconds)), 429, TOO_MANY_REQUESTS);
}

async function answerError(
  error: FastifyError,
  exchange: { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly options: HttpServerOptions },
): Promise<FastifyReply> {
  const { request, reply, options } = exchange;
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    void reply.header("Connection", "close");
    return sendProblem(reply, status, { code: "bad-request", message: error.message });
  }
  options.onFailure?.({ target: request.originalUrl, error });
  return sendProblem(reply, 500, { code: "internal", message: "the request failed; the log of this server has more" });
}

function plainConnections(
  app: FastifyInstance,
  options: HttpServerOptions,
  requestLimit: RequestLimit | undefined,
): PlainConnections | undefined {
  const { plainFront: front, onAnswered, onFailure } = options;
  if (front === undefined) return undefined;
  const { maxRequestsPerSocket } = app.server;
  return new PlainConnections(app.server, {
    ...options.timeouts,
    maxRequestsPerSocket: maxRequestsPerSocket!,
    front,
    requestLimit,
    onAnswered,
    onFailure,
  });
}

async function closeWithin(app: FastifyInstance, plain: PlainConnections | undefined, graceMs: number): Promise<void> {
  const timer = setTimeout(() => {
    app.server.closeAllConnections();
    plain?.destroy();
  }, graceMs);
  try {
    plain?.close();
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

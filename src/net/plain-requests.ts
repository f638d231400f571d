import type { Server } from "node:http";
import type { Socket } from "node:net";
import { plainAddress } from "../core/remote-address.ts";
import type { AnsweredRequest } from "../report/access-line.ts";
import { answerClientError } from "./http-server-problem.ts";
import { refusalText, type RequestLimit, type RequestPlaces } from "./http-server-rates.ts";
import { type PlainRequest, PlainRequestReader } from "./plain-request.ts";

/** Who answers plain requests. */
export interface PlainFront {
  /** Fields of a 302 without a body, each line with its end; undefined: node:http sees the request. */
  answerPlain(request: PlainRequest, socket: Socket): string | undefined;
}

export interface PlainConnectionsOptions {
  readonly front: PlainFront;
  /** Of files per address; what node:http answers it counts itself. */
  readonly requestLimit?: RequestLimit | undefined;
  /** Limits of the HTTP server behind, milliseconds. */
  readonly headersTimeout: number;
  readonly keepAliveTimeout: number;
  readonly connectionsCheckingInterval: number;
  readonly maxRequestsPerSocket: number;
  readonly onAnswered?: ((answered: AnsweredRequest) => void) | undefined;
  /** Hears of a front that failed. */
  readonly onFailure?: ((failure: { readonly target: string; readonly error: unknown }) => void) | undefined;
}

/** As node:http does: who sends a request at the last moment finds the connection open. */
const KEEP_ALIVE_BUFFER_MS = 1_000;

/**
 * Stands before node:http on each connection and answers plain requests itself, as long as nothing else comes: a chunk that is not exactly
 * one of them goes to node:http with the connection, for good. What an answer costs is mostly node:http's bookkeeping
 * (docs/decisions/0033): request and response objects, their events, header by header.
 *
 * Invariants: between two chunks nothing is owed but what the socket's buffer holds; once a connection was handed over nothing here
 * touches it.
 */
export class PlainConnections {
  readonly #serve: (socket: Socket) => void;
  readonly #options: PlainConnectionsOptions;
  readonly #requestLimit: RequestLimit | undefined;
  readonly #reader = new PlainRequestReader();
  readonly #open = new Set<PlainConnection>();
  readonly #timer: NodeJS.Timeout;
  readonly #date = new DateField();
  #isClosing = false;

  /** Takes the place of node:http's own listener for connections of `server`. */
  constructor(server: Server, options: PlainConnectionsOptions) {
    this.#options = options;
    this.#requestLimit = options.requestLimit;
    const handlers = server.listeners("connection") as ((this: Server, socket: Socket) => void)[];
    server.removeAllListeners("connection");
    this.#serve = (socket) => {
      for (const handler of handlers) handler.call(server, socket);
    };
    server.on("connection", (socket: Socket) => this.#accept(socket));
    server.on("close", () => clearInterval(this.#timer));
    this.#timer = setInterval(() => this.#check(), options.connectionsCheckingInterval);
    this.#timer.unref();
  }

  /** Connections end as soon as what was answered is sent. */
  close(): void {
    this.#isClosing = true;
    for (const { socket } of this.#open) socket.destroySoon();
  }

  /** Those that are still open. */
  destroy(): void {
    for (const { socket } of this.#open) socket.destroy();
  }

  #accept(socket: Socket): void {
    if (this.#isClosing) {
      socket.destroy();
      return;
    }
    const connection = new PlainConnection(socket, {
      onBytes: (bytes) => this.#take(connection, bytes),
      onClose: () => this.#open.delete(connection),
    });
    this.#open.add(connection);
  }

  #take(connection: PlainConnection, bytes: Buffer): void {
    if (this.#isClosing) return;
    const { socket, address } = connection;
    const request = this.#reader.read(bytes, address);
    if (request !== undefined && this.#refuses(connection, request)) return;
    const fields = request && this.#ask(request, socket);
    if (fields === undefined) {
      this.#handOver(connection, bytes);
      return;
    }
    this.#requestLimit?.note(this.#placesOf(connection));
    this.#send(connection, `HTTP/1.1 302 Found\r\n${fields}`, "");
    if (this.#options.onAnswered !== undefined) this.#options.onAnswered(answeredOf(request!, 302, 0));
  }

  #placesOf(connection: PlainConnection): RequestPlaces {
    return (connection.places ??= this.#requestLimit!.placesOf(connection.address));
  }

  /** True: it was answered so. Counted is only what the front answers, afterwards. */
  #refuses(connection: PlainConnection, request: PlainRequest): boolean {
    const limit = this.#requestLimit;
    if (limit === undefined || !limit.isForFile(request.target)) return false;
    const seconds = limit.retrySeconds(this.#placesOf(connection));
    if (seconds === 0) return false;
    const { fields, body } = refusalText(request.method, seconds);
    this.#send(connection, fields, body);
    this.#options.onAnswered?.(answeredOf(request, 429, body.length));
    return true;
  }

  /** @param head status line and fields, each with its end, but for those that every answer has */
  #send(connection: PlainConnection, head: string, body: string): void {
    const { socket } = connection;
    const { keepAliveTimeout, maxRequestsPerSocket } = this.#options;
    const isLast = ++connection.answers >= maxRequestsPerSocket;
    connection.sinceMs = performance.now();
    const keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveTimeout / 1000}, max=${maxRequestsPerSocket}\r\n\r\n`;
    const end = isLast ? "Connection: close\r\n\r\n" : keepAlive;
    const isRoomy = socket.write(head + this.#date.line + end + body, "latin1");
    if (isLast) socket.destroySoon();
    // Back-pressure is node:http's business (rows H10, H12).
    else if (!isRoomy) this.#handOver(connection);
  }

  /** If the front fails, the request goes the usual way: another part of the program may still answer it. */
  #ask(request: PlainRequest, socket: Socket): string | undefined {
    try {
      return this.#options.front.answerPlain(request, socket);
    } catch (error) {
      this.#options.onFailure?.({ target: request.target, error });
      return undefined;
    }
  }

  #handOver(connection: PlainConnection, bytes?: Buffer): void {
    const { socket } = connection;
    connection.release();
    this.#open.delete(connection);
    socket.pause();
    if (bytes !== undefined) socket.unshift(bytes);
    this.#serve(socket);
    socket.resume();
  }

  #check(): void {
    const { headersTimeout, keepAliveTimeout } = this.#options;
    const nowMs = performance.now();
    for (const { socket, answers, sinceMs } of this.#open) {
      const idleMs = nowMs - sinceMs;
      if (answers > 0 && idleMs > keepAliveTimeout + KEEP_ALIVE_BUFFER_MS) socket.destroy();
      else if (idleMs > headersTimeout) answerClientError(new RequestTimeout("no request came"), socket);
    }
  }
}

/** One that node:http has not seen. */
class PlainConnection {
  readonly socket: Socket;
  readonly address: string;
  /** Where its requests are counted ({@link RequestLimit.placesOf}). */
  places: RequestPlaces | undefined;
  answers = 0;
  /** Since when nothing came, of {@link performance.now}. */
  sinceMs: number = performance.now();
  readonly #on: { readonly onBytes: (bytes: Buffer) => void; readonly onClose: () => void };
  readonly #end = (): void => void this.socket.end();

  constructor(socket: Socket, on: { readonly onBytes: (bytes: Buffer) => void; readonly onClose: () => void }) {
    this.socket = socket;
    this.address = socket.remoteAddress ?? "";
    this.#on = on;
    socket.on("data", on.onBytes);
    socket.on("end", this.#end);
    socket.on("close", on.onClose);
  }

  release(): void {
    this.socket.off("data", this.#on.onBytes);
    this.socket.off("end", this.#end);
    this.socket.off("close", this.#on.onClose);
  }
}

class RequestTimeout extends Error {
  readonly code = "ERR_HTTP_REQUEST_TIMEOUT";
}

/** `Date` (RFC 9110 §6.6.1), made anew each second. */
class DateField {
  #second = NaN;
  #line = "";

  get line(): string {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#line = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
    }
    return this.#line;
  }
}

function answeredOf(
  { method, target, address, headers }: PlainRequest,
  status: number,
  bodyBytes: number,
): AnsweredRequest {
  return {
    address: plainAddress(address),
    method,
    target,
    httpVersion: "1.1",
    status,
    bodyBytes,
    referer: headers["referer"],
    userAgent: headers["user-agent"],
  };
}

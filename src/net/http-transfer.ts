import { type ClientRequest, type IncomingMessage, type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Socket } from "node:net";
import { isSystemError, messageOf } from "../core/errors.ts";
import { NetError } from "./errors.ts";

/** One request and its answer's head. The body is still to come. */
export interface TransferOptions {
  readonly request: RequestOptions;
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For everything up to the last byte of the body; Infinity: none. */
  readonly deadlineMs: number;
  readonly connectTimeoutMs: number;
  /** From the request to the answer's head. */
  readonly responseTimeoutMs: number;
  /** Told once, before a byte is sent. */
  readonly onSocket: (socket: Socket) => void;
}

/**
 * One HTTP exchange that can be given up at any moment with the reason its caller will see. Whoever starts one ends
 * it with {@link finish}.
 */
export class HttpTransfer {
  readonly url: URL;
  readonly #request: ClientRequest;
  readonly #cancel: (() => void)[] = [];
  #response: IncomingMessage | undefined;
  #failure: unknown;
  #socket: Socket | undefined;
  #bytesBefore = 0;

  private constructor(url: URL, options: TransferOptions) {
    this.url = url;
    this.#request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, options.request);
    this.#guardTime(options);
    this.#watchSignal(options.signal);
    this.#request.once("socket", (socket) => {
      this.#socket = socket;
      this.#bytesBefore = socket.bytesRead;
      options.onSocket(socket);
      if (socket.connecting) this.#guardConnect(socket, options.connectTimeoutMs);
    });
  }

  /** Resolves with the answer's head. @throws NetError `unreachable`, `timeout`; the signal's reason */
  static async start(url: URL, options: TransferOptions): Promise<HttpTransfer> {
    options.signal?.throwIfAborted();
    const transfer = new HttpTransfer(url, options);
    try {
      await transfer.#send(options.body);
      return transfer;
    } catch (error) {
      transfer.finish();
      throw transfer.reasonOf(error);
    }
  }

  get response(): IncomingMessage {
    return this.#response!;
  }

  /** Bytes that came over the socket for this exchange so far, head included. */
  get receivedBytes(): number {
    return (this.#socket?.bytesRead ?? 0) - this.#bytesBefore;
  }

  giveUp(reason: unknown): void {
    this.#failure ??= reason;
    const error = reason instanceof Error ? reason : new Error(messageOf(reason));
    this.#response?.destroy(error);
    this.#request.destroy(error);
  }

  /** Stops the timers. An answer that was not read to its end costs the connection. */
  finish(): void {
    for (const cancel of this.#cancel.splice(0)) cancel();
    if (this.#response?.readableEnded !== true) this.#request.destroy();
  }

  /** What to throw for an error of this exchange: why it was given up, else a NetError that keeps the cause. */
  reasonOf(error: unknown): unknown {
    if (this.#failure !== undefined) return this.#failure;
    if (error instanceof NetError) return error;
    return new NetError("unreachable", `connection to ${this.url.origin} failed: ${messageOf(error)}`, {
      cause: error,
    });
  }

  /** True if a kept-alive connection had been closed by the other side before it could see the request. */
  static wasStaleConnection(error: unknown): boolean {
    return error instanceof NetError && error.code === "unreachable" && isStale(error.cause);
  }

  /**
   * True if no way to the other side was found within the kernel's three ARP or neighbour solicitations: TCP repeats a
   * lost SYN for minutes, these are given up after 3 s: seven in a thousand where a tenth of all packets is lost.
   */
  static neverLeftThisHost(error: unknown): boolean {
    const cause = error instanceof NetError ? error.cause : undefined;
    // Of a name with several addresses each is tried.
    const attempts: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
    return attempts.some((attempt) => isSystemError(attempt, "EHOSTUNREACH")) && attempts.every(isConnect);
  }

  #send(body: Uint8Array | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#request.once("response", (response) => {
        this.#response = response;
        // Without a listener an error between head and body would end the process; readers see it all the same.
        response.on("error", () => undefined);
        resolve();
      });
      this.#request.on("error", (error) => {
        reject(this.#request.reusedSocket ? Object.assign(error, { reusedSocket: true }) : error);
      });
      this.#request.end(body);
    });
  }

  #guardTime({ deadlineMs, responseTimeoutMs }: TransferOptions): void {
    if (Number.isFinite(deadlineMs)) this.#giveUpAfter(deadlineMs, `the end of the answer within ${deadlineMs} ms`);
    const stop = this.#giveUpAfter(responseTimeoutMs, `an answer within ${responseTimeoutMs} ms`);
    this.#request.once("response", stop);
  }

  #guardConnect(socket: Socket, timeoutMs: number): void {
    socket.once("connect", this.#giveUpAfter(timeoutMs, `a connection within ${timeoutMs} ms`));
  }

  #giveUpAfter(delayMs: number, expected: string): () => void {
    const problem = `${this.url.origin}${this.url.pathname}: expected ${expected}`;
    const timer = setTimeout(() => this.giveUp(new NetError("timeout", problem)), delayMs);
    const stop = (): void => clearTimeout(timer);
    this.#cancel.push(stop);
    return stop;
  }

  #watchSignal(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const abort = (): void => this.giveUp(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#cancel.push(() => signal.removeEventListener("abort", abort));
  }
}

function isConnect(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "connect";
}

function isStale(error: unknown): boolean {
  return isSystemError(error, "ECONNRESET", "EPIPE") && "reusedSocket" in error;
}

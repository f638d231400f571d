import { type IncomingMessage, ServerResponse } from "node:http";
import { plainAddress } from "../core/remote-address.ts";
import type { AnsweredRequest } from "../report/access-line.ts";

/** A response that counts the bytes of its body. */
class CountedResponse<R extends IncomingMessage = IncomingMessage> extends ServerResponse<R> {
  bodyBytes = 0;

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    this.#count(chunk, rest[0]);
    return (super.write as (...all: unknown[]) => boolean).call(this, chunk, ...rest);
  }

  override end(...all: unknown[]): this {
    this.#count(all[0], all[1]);
    return (super.end as (...all: unknown[]) => this).apply(this, all);
  }

  #count(chunk: unknown, encoding: unknown): void {
    if (typeof chunk === "string") {
      this.bodyBytes += Buffer.byteLength(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
    } else if (chunk instanceof Uint8Array) this.bodyBytes += chunk.length;
  }
}

/** Tells of every request once its answer is sent or its connection gone; costs the request nothing but a note. */
export class AnsweredRequests {
  /** For `createServer`. */
  readonly ServerResponse: typeof ServerResponse = CountedResponse;
  readonly #tell: (answered: AnsweredRequest) => void;
  /** Where a proxy says that a request came from. */
  readonly #forwarded = new WeakMap<IncomingMessage, string>();

  constructor(tell: (answered: AnsweredRequest) => void) {
    this.#tell = tell;
  }

  watch(request: IncomingMessage, response: ServerResponse): void {
    // Both are gone or changed when the answer is done: the socket has no address any more, the router puts its own target.
    const address = plainAddress(request.socket.remoteAddress ?? "");
    const target = request.url ?? "";
    response.once("close", () => {
      const { method = "", httpVersion, headers } = request;
      this.#tell({
        address: this.#forwarded.get(request) ?? address,
        method,
        target,
        httpVersion,
        status: response.headersSent ? response.statusCode : CLIENT_LEFT,
        bodyBytes: hasBody(method, response.statusCode) ? (response as CountedResponse).bodyBytes : 0,
        referer: headers.referer,
        userAgent: headers["user-agent"],
      });
    });
  }

  noteForwarded(request: IncomingMessage, address: string): void {
    this.#forwarded.set(request, address);
  }
}

const CLIENT_LEFT = 499;

/** Node takes bodies of others, too, and sends nothing of them (RFC 9112 §6.3). */
function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && status !== 204 && status !== 304;
}

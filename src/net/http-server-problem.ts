import type { Socket } from "node:net";
import { STATUS_CODES } from "node:http";
import type { FastifyReply } from "fastify";
import { isSystemError } from "../core/errors.ts";

/** Why a request was not answered (docs/protocol.md: `{"error":{"code","message"}}`). */
export interface HttpProblem {
  readonly code: string;
  readonly message: string;
  /** Stands beside "error": the highest sequence number seen. */
  readonly sequence?: number;
}

/** The body of an error answer. */
export function problemBody({ code, message, sequence }: HttpProblem): string {
  return `${JSON.stringify({ error: { code, message }, ...(sequence === undefined ? {} : { sequence }) })}\n`;
}

export function sendProblem(reply: FastifyReply, status: number, problem: HttpProblem): FastifyReply {
  return reply
    .code(status)
    .header("Content-Type", "application/json; charset=utf-8")
    .header("Cache-Control", "no-store")
    .send(problemBody(problem));
}

/** Answers what the HTTP parser refused (rows H08, H09) and closes: the rest of the stream can't be trusted. */
export function answerClientError(error: Error, socket: Socket): void {
  if (isSystemError(error, "ECONNRESET") || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = isSystemError(error, "HPE_HEADER_OVERFLOW")
    ? 431
    : isSystemError(error, "ERR_HTTP_REQUEST_TIMEOUT")
      ? 408
      : 400;
  const body = problemBody({ code: "bad-request", message: STATUS_CODES[status]! });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8`;
  socket.end(`${head}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  // A client that keeps sending would hold the half-closed socket open.
  socket.destroySoon();
}

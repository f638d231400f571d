import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type BodySegment, type FileAnswer, planFileAnswer, type ServedContent } from "../delivery/file-answer.ts";
import type { Pace } from "./pace.ts";
import { type HttpProblem, problemBody } from "./http-server-problem.ts";

/** Bytes of one content that are known to be the content for as long as `read` does not throw. */
export interface ReadableContent {
  /** Reads of answers are no longer than this; {@link READ_LENGTH} if it isn't told. */
  readonly stepBytes?: number;
  /** Bytes [start, start + length). Throws once the bytes on disk are no longer the content. */
  read(start: number, length: number): Promise<Uint8Array>;
}

/**
 * `content-failed`: `headSent` tells whether the client got a broken transfer (true) or can still get another answer.
 * `content-busy`: it was told to ask again.
 */
export type FileSendResult =
  | { readonly kind: "sent"; readonly bodyBytes: number }
  | { readonly kind: "content-busy"; readonly bodyBytes: 0 }
  | { readonly kind: "client-left"; readonly bodyBytes: number }
  | { readonly kind: "content-failed"; readonly headSent: boolean; readonly cause: unknown };

/** The same content, read no faster than the pace allows. */
export function pacedContent(content: ReadableContent, pace: Pace, isWanted: () => boolean): ReadableContent {
  return {
    stepBytes: pace.stepBytes,
    read: async (start, length) => {
      await pace(length, isWanted);
      return await content.read(start, length);
    },
  };
}

/** Large enough that a read costs little beside it, small enough for thousands of transfers in memory. */
export const READ_LENGTH: number = 256 * 1024;

const GIB = 2 ** 30;
/** Row H10: we wait no longer for the reader of a GiB, or of less. It may go on with a Range request. What a limit of ours takes is not its fault. */
const LONGEST_MS_PER_GIB = 6 * 3_600_000;

/** A {@link ReadableContent} that was opened for one answer. */
export interface OpenedForAnswer extends ReadableContent, AsyncDisposable {}

/** Where the bytes of an answer come from. */
export interface AnswerSource {
  /** Undefined if no intact copy is left; called only if bytes are to be sent, or would be to a GET. */
  readonly open: () => Promise<OpenedForAnswer | undefined>;
  readonly pace: Pace;
  /** Whether a failed read only means "not now". */
  readonly isBusy?: (cause: unknown) => boolean;
  /** Fields of a 302 to who has the content when it is gone here; undefined: nobody has. */
  readonly elsewhere?: () => Readonly<Record<string, string>> | undefined;
}

/**
 * Answers a GET or HEAD for one content with all that RFC 9110 allows: central and volunteers share it. If the content is
 * gone, 302 to who has it; if nobody has or it can't be had now, 503 (never other bytes).
 */
export async function respondWithContent(
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
  served: ServedContent,
  source: AnswerSource,
): Promise<FileSendResult> {
  const { request, response } = exchange;
  const { method = "GET", headers } = request;
  const answer = planFileAnswer({ method, headers }, served, randomBoundary());
  // Who asks by HEAD must hear what a GET would.
  const isOpened = answer.segments.length > 0 || (isContentDescribed(answer) && served.lengthBytes > 0);
  await using content = isOpened ? await source.open() : undefined;
  const isGone = content === undefined && isOpened;
  const result: FileSendResult = isGone
    ? { kind: "content-failed", headSent: false, cause: new Error("no intact copy is left") }
    : await sendFileAnswer(answer, response, content && pacedContent(content, source.pace, () => !response.destroyed));
  if (result.kind !== "content-failed" || result.headSent) return result;
  if (source.isBusy?.(result.cause) === true) {
    sendUnavailable(response, { code: "content-busy", message: "too much is being unpacked, ask again" }, 1);
    return { kind: "content-busy", bodyBytes: 0 };
  }
  const fields = source.elsewhere?.();
  if (fields !== undefined) {
    response.writeHead(302, fields).end();
    return result;
  }
  // The release names a content of which no intact copy is left here: the next publish mends that.
  const message = "this file changed or went away on the server; it comes back with the next release";
  sendUnavailable(response, { code: "content-gone", message }, 60);
  return result;
}

function isContentDescribed({ status }: FileAnswer): boolean {
  return status === 200 || status === 206;
}

function sendUnavailable(response: ServerResponse, problem: HttpProblem, retryAfterSeconds: number): void {
  const body = problemBody(problem);
  response.writeHead(503, {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Length": String(Buffer.byteLength(body)),
    "Retry-After": String(retryAfterSeconds),
  });
  response.end(body);
}

/** Separates the parts of a multipart answer; nobody can prepare a content that holds it. */
export function randomBoundary(): string {
  return `prsync-${randomBytes(16).toString("hex")}`;
}

/**
 * Sends a planned answer with back-pressure. The first bytes are read before the head goes out; if the content fails
 * later, the connection is cut so that no client takes the part for the whole (rows H14, H15).
 *
 * @param content may be undefined if the answer has no body
 */
export async function sendFileAnswer(
  answer: FileAnswer,
  response: ServerResponse,
  content: ReadableContent | undefined,
): Promise<FileSendResult> {
  response.on("error", () => response.destroy());
  const chunks = chunksOf(answer.segments, content);
  let patienceMs = LONGEST_MS_PER_GIB * Math.max(1, contentBytesOf(answer) / GIB);
  let bodyBytes = 0;
  try {
    for (let next = await chunks.next(); next.done !== true;) {
      if (!response.headersSent) response.writeHead(answer.status, answer.headers);
      if (patienceMs < 0) response.destroy();
      if (response.destroyed) return { kind: "client-left", bodyBytes };
      bodyBytes += next.value.length;
      const isRoomy = response.write(next.value);
      // The next read runs while the last bytes leave.
      const [following, waitedMs] = await Promise.all([chunks.next(), isRoomy ? 0 : drained(response)]);
      patienceMs -= waitedMs;
      next = following;
    }
  } catch (cause) {
    const { headersSent } = response;
    if (headersSent) response.destroy();
    return { kind: "content-failed", headSent: headersSent, cause };
  }
  if (response.destroyed) return { kind: "client-left", bodyBytes };
  if (!response.headersSent) response.writeHead(answer.status, answer.headers);
  response.end();
  return { kind: "sent", bodyBytes };
}

/** Of the content; parts of a multipart answer have heads besides. */
export function contentBytesOf({ segments }: FileAnswer): number {
  return segments.reduce((sum, part) => sum + (part.kind === "range" ? part.range.end - part.range.start : 0), 0);
}

async function* chunksOf(
  segments: readonly BodySegment[],
  content: ReadableContent | undefined,
): AsyncGenerator<Uint8Array, undefined> {
  const stepBytes = Math.min(READ_LENGTH, content?.stepBytes ?? READ_LENGTH);
  for (const segment of segments) {
    if (segment.kind === "text") {
      yield Buffer.from(segment.text, "latin1");
      continue;
    }
    for (let at = segment.range.start; at < segment.range.end;) {
      const length = Math.min(stepBytes, segment.range.end - at);
      const bytes = await content!.read(at, length);
      if (bytes.length !== length) throw new Error(`expected ${length} bytes at ${at}, got ${bytes.length}`);
      yield bytes;
      at += length;
    }
  }
  return undefined;
}

/** Resolves when the buffer is empty again or the connection is gone, with the milliseconds that it took. */
export function drained(response: ServerResponse): Promise<number> {
  if (response.destroyed) return Promise.resolve(0);
  const beginMs = performance.now();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve(performance.now() - beginMs);
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

import type { ByteRange } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";
import {
  doesRangeCount,
  evaluatePreconditions,
  formatHttpDate,
  type ConditionalHeaders,
  type Validators,
} from "./preconditions.ts";
import { parseRangeHeader } from "./range-header.ts";

/** A GET or HEAD for one content. Header names in lower case, as Node gives them. */
export interface FileRequest {
  readonly method: string;
  readonly headers: ConditionalHeaders & { readonly range?: string | undefined };
}

/** What the request was found to mean: exactly these bytes. */
export interface ServedContent {
  readonly content: ContentId;
  readonly lengthBytes: number;
  /** Undefined where only the content is known: then no date is told, and conditions by date count for nothing. */
  readonly mtimeNs: bigint | undefined;
  readonly mediaType: string;
  /** Named by its hash, so it never changes under its URL. */
  readonly isImmutable?: boolean;
}

/** A piece of a body: text written as latin1, or a range of the content. */
export type BodySegment =
  { readonly kind: "text"; readonly text: string } | { readonly kind: "range"; readonly range: ByteRange };

/** Status, headers and body of an answer as a value, checked before a byte is sent. `segments` is empty for HEAD. */
export interface FileAnswer {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string>>;
  readonly segments: readonly BodySegment[];
}

/**
 * Decides how a content is sent: whole, in parts, or not at all (RFC 9110 §13, §14; RFC 9530 for `Repr-Digest`).
 *
 * @param boundary separates the parts of a multipart answer; random, so that no content can hold it on purpose
 */
export function planFileAnswer(request: FileRequest, served: ServedContent, boundary: string): FileAnswer {
  const validators = validatorsOf(served);
  const { etag, lastModifiedSeconds } = validators;
  const identity = {
    "Accept-Ranges": "bytes",
    ETag: etag,
    ...(lastModifiedSeconds === undefined ? {} : { "Last-Modified": formatHttpDate(lastModifiedSeconds) }),
    "Cache-Control": served.isImmutable === true ? "public, max-age=31536000, immutable" : "no-cache",
  };
  const precondition = evaluatePreconditions(request.headers, validators);
  if (precondition === "not-modified") return { status: 304, headers: identity, segments: [] };
  if (precondition === "precondition-failed") {
    return { status: 412, headers: { ...identity, "Content-Length": "0" }, segments: [] };
  }
  const headers = { ...identity, "Repr-Digest": reprDigest(served.content), "X-Content-Type-Options": "nosniff" };
  // RFC 9110 §14.2: Range means something for GET alone.
  const rangeCounts = request.method === "GET" && doesRangeCount(request.headers["if-range"], validators);
  const decision = parseRangeHeader(rangeCounts ? request.headers.range : undefined, served.lengthBytes);
  if (decision.kind === "unsatisfiable") {
    const refusal = { ...headers, "Content-Range": `bytes */${served.lengthBytes}`, "Content-Length": "0" };
    return { status: 416, headers: refusal, segments: [] };
  }
  const answer =
    decision.kind === "whole"
      ? wholeAnswer(served, headers)
      : partialAnswer({ served, headers, ranges: decision.ranges, boundary });
  return request.method === "HEAD" ? { ...answer, segments: [] } : answer;
}

/** What conditional requests compare: the content's hash, and the second in which the file changed. */
export function validatorsOf({ content, mtimeNs }: ServedContent): Validators {
  const lastModifiedSeconds = mtimeNs === undefined ? undefined : Math.max(0, Number(mtimeNs / 1_000_000_000n));
  return { etag: `"${content}"`, lastModifiedSeconds };
}

/** RFC 9530 §3: digest of the whole representation, whatever part of it is sent. */
export function reprDigest(content: ContentId): string {
  return `sha-256=:${Buffer.from(content, "hex").toString("base64")}:`;
}

type Headers = Readonly<Record<string, string>>;

function wholeAnswer(served: ServedContent, headers: Headers): FileAnswer {
  return {
    status: 200,
    headers: { ...headers, "Content-Type": served.mediaType, "Content-Length": String(served.lengthBytes) },
    segments: served.lengthBytes === 0 ? [] : [{ kind: "range", range: { start: 0, end: served.lengthBytes } }],
  };
}

interface PartialInput {
  readonly served: ServedContent;
  readonly headers: Headers;
  readonly ranges: readonly ByteRange[];
  readonly boundary: string;
}

function partialAnswer(input: PartialInput): FileAnswer {
  const { served, headers, ranges } = input;
  if (ranges.length > 1) return multipartAnswer(input);
  const range = ranges[0]!;
  return {
    status: 206,
    headers: {
      ...headers,
      "Content-Type": served.mediaType,
      "Content-Range": contentRange(range, served.lengthBytes),
      "Content-Length": String(range.end - range.start),
    },
    segments: [{ kind: "range", range }],
  };
}

/** RFC 9110 §14.6. */
function multipartAnswer({ served, headers, ranges, boundary }: PartialInput): FileAnswer {
  const segments: BodySegment[] = [];
  ranges.forEach((range, index) => {
    const lead = index === 0 ? "" : "\r\n";
    const fields = `Content-Type: ${served.mediaType}\r\nContent-Range: ${contentRange(range, served.lengthBytes)}`;
    segments.push({ kind: "text", text: `${lead}--${boundary}\r\n${fields}\r\n\r\n` }, { kind: "range", range });
  });
  segments.push({ kind: "text", text: `\r\n--${boundary}--\r\n` });
  const length = segments.reduce((sum, segment) => sum + segmentLength(segment), 0);
  return {
    status: 206,
    headers: {
      ...headers,
      "Content-Type": `multipart/byteranges; boundary=${boundary}`,
      "Content-Length": String(length),
    },
    segments,
  };
}

function segmentLength(segment: BodySegment): number {
  return segment.kind === "text" ? segment.text.length : segment.range.end - segment.range.start;
}

function contentRange(range: ByteRange, lengthBytes: number): string {
  return `bytes ${range.start}-${range.end - 1}/${lengthBytes}`;
}

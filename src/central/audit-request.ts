import type { Random } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import type { AuditFailure, AuditQuestion } from "../delivery/audit-schedule.ts";
import { canReach, reachOf } from "../delivery/host-reach.ts";
import { NetError } from "../net/errors.ts";
import { HttpClient, type HttpStream } from "../net/http-client.ts";
import { permittedLookup } from "../net/permitted-lookup.ts";
import type { OpenContent } from "./published-tree.ts";

/** What an audit found. */
export interface AuditFinding {
  readonly failure: AuditFailure | undefined;
  /** For the log of central alone. */
  readonly detail: string;
}

export interface AuditedRange {
  readonly start: number;
  readonly end: number;
}

export interface AuditRequest {
  /** As a customer would be sent there. */
  readonly url: string;
  readonly question: AuditQuestion;
  readonly range: AuditedRange;
  /** Central's own copy. */
  readonly copy: OpenContent;
  readonly headers: Readonly<Record<string, string>>;
  /** A web server answers that knows no `?sha256`: it has these bytes under this path while both show the same release. */
  readonly isByName: boolean;
  /** No other release was shown since the volunteer was found to be at the newest one. */
  readonly isStillNewest: () => boolean;
  readonly signal: AbortSignal;
}

/** Enough to meet a bad sector, little beside what customers take. */
const MAX_ASKED_BYTES = 64 * 1024;
const DEADLINE_MS = 20_000;

/** At most 64 KiB, anywhere. */
export function drawRange(lengthBytes: number, random: Random): AuditedRange {
  const asked = Math.min(lengthBytes, MAX_ASKED_BYTES);
  const start = Math.floor(random() * (lengthBytes - asked + 1));
  return { start, end: start + asked };
}

/**
 * Asks a volunteer for a range as a customer would, and compares. A server that sends the whole file is as good for customers: then the
 * beginning is compared.
 *
 * @param host the volunteer's own address: where that cannot reach, nobody is led
 * @throws StoreError if central's own copy cannot be read, the signal's reason
 */
export async function requestAudit(host: string, request: AuditRequest): Promise<AuditFinding> {
  const { range, headers, signal } = request;
  const from = reachOf(host);
  // A client of its own: no connection that was opened for another volunteer is taken again.
  await using client = new HttpClient({
    maxSockets: 1,
    connectTimeoutMs: 10_000,
    lookup: permittedLookup((address) => canReach(from, reachOf(address))),
  });
  try {
    const limits = { range, headers, signal, maxBytes: Infinity, deadlineMs: DEADLINE_MS };
    await using stream = await client.stream(request.url, limits);
    return await judge(stream, request);
  } catch (error) {
    if (error instanceof NetError) return { failure: "unanswered", detail: error.message };
    throw error;
  }
}

async function judge(stream: HttpStream, request: AuditRequest): Promise<AuditFinding> {
  const { question, range, isByName } = request;
  const { status, headers } = stream;
  // Asked by content there is nothing else to give, whatever release is there.
  const isSure = (): boolean => !isByName || request.isStillNewest();
  if (status === 404 || status === 410)
    return { failure: isSure() ? "missing" : "unanswered", detail: `answered ${status}` };
  if (status !== 206 && status !== 200) return { failure: "unanswered", detail: `answered ${status}` };
  const wrong = (detail: string): AuditFinding => ({ failure: isSure() ? "wrong-bytes" : "unanswered", detail });
  const length = headers["content-length"];
  if (status === 200 && length !== undefined && Number(length) !== question.lengthBytes)
    return wrong(`sent ${length} bytes`);
  const start = status === 200 ? 0 : range.start;
  const expected = await request.copy.read(start, range.end - range.start);
  const body = await firstBytes(stream, expected.length);
  if (!body.equals(expected)) return wrong(`sent other bytes at ${start}`);
  // Right bytes by chance: at another release, or under another name, it would not have them.
  if (!isByName && !isNamed(headers.etag, question.content))
    return {
      failure: "unanswered",
      detail: "did not name the content in its ETag, as PRsync's servers and proxies to them do",
    };
  return { failure: undefined, detail: "passed" };
}

/** A proxy that compresses makes the tag a weak one (RFC 9110 §8.8.3). */
function isNamed(etag: string | undefined, content: ContentId): boolean {
  return etag?.replace(/^W\//, "") === `"${content}"`;
}

/** So many, fewer if there are no more. The rest is not waited for. */
async function firstBytes(stream: HttpStream, length: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let missing = length;
  for await (const chunk of stream.body) {
    chunks.push(chunk);
    missing -= chunk.length;
    if (missing <= 0) break;
  }
  return Buffer.concat(chunks).subarray(0, length);
}

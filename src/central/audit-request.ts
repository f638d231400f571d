import { isIP } from "node:net";
import type { ContentId } from "../core/content-id.ts";
import { isSystemError } from "../core/errors.ts";
import type { AuditQuestion } from "../delivery/audit-question.ts";
import type { AuditFailure } from "../delivery/audit-schedule.ts";
import { canReach, reachOf } from "../delivery/host-reach.ts";
import { NetError } from "../net/errors.ts";
import { HttpClient, type HttpStream } from "../net/http-client.ts";
import { permittedLookup } from "../net/permitted-lookup.ts";
import { CentralError } from "./errors.ts";
import type { OpenContent } from "./published-tree.ts";

/** What an audit found. */
export interface AuditFinding {
  readonly failure: AuditFailure | undefined;
  /** What was compared: a server that knows no ranges sends the beginning. */
  readonly question: AuditQuestion;
  /** For the log of central alone. */
  readonly detail: string;
}

export interface AuditRequest {
  /** As a customer would be sent there. */
  readonly url: string;
  readonly question: AuditQuestion;
  /** It failed this very question before: nothing else may be compared instead. */
  readonly isAgain: boolean;
  /** Central's own copy. */
  readonly copy: OpenContent;
  readonly headers: Readonly<Record<string, string>>;
  /** A web server answers that knows no `?sha256`: it has these bytes under this path while both show the same release. */
  readonly isByName: boolean;
  /** No other release was shown since the volunteer was found to be at the newest one. */
  readonly isStillNewest: () => boolean;
  /** Local address that the request comes from; undefined: the system's choice. */
  readonly localAddress: string | undefined;
  readonly signal: AbortSignal;
}

/** Files are read to the last byte: a busy mirror that gives each customer 5 KiB/s is no liar. */
const DEADLINE_MS = 60_000;
/** What the kernel says of an address to come from that is gone, of another scope, or has no route. */
const LOCAL_FAULTS = ["EADDRNOTAVAIL", "EINVAL", "ENETUNREACH"];

/**
 * Asks a volunteer as a customer would, and compares. A server that sends the whole file instead of a range is as good for customers: then
 * the beginning is compared.
 *
 * @param host the volunteer's own address: where that cannot reach, nobody is led
 * @throws StoreError if central's own copy cannot be read; CentralError `bad-audit-address` if the local address can't be used; the signal's reason
 */
export async function requestAudit(host: string, request: AuditRequest): Promise<AuditFinding> {
  const { question, headers, localAddress, signal } = request;
  const from = reachOf(host);
  const isOfFamily = (address: string): boolean => localAddress === undefined || isIP(address) === isIP(localAddress);
  // A client of its own: no connection that was opened for another volunteer is taken again.
  await using client = new HttpClient({
    maxSockets: 1,
    connectTimeoutMs: 10_000,
    lookup: permittedLookup((address) => isOfFamily(address) && canReach(from, reachOf(address))),
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  try {
    const asked = { ...headers, ...rangeField(question) };
    const limits = { headers: asked, signal, maxBytes: Infinity, deadlineMs: DEADLINE_MS };
    await using stream = await client.stream(request.url, limits);
    return { question, ...(await judge(stream, request)) };
  } catch (error) {
    if (localAddress !== undefined && error instanceof NetError && isSystemError(error.cause, ...LOCAL_FAULTS))
      throw new CentralError("bad-audit-address", `can't audit from ${localAddress}: ${error.message}`, {
        cause: error,
      });
    if (error instanceof NetError) return { question, failure: "unanswered", detail: error.message };
    throw error;
  }
}

function rangeField({ askedAs, start, end }: AuditQuestion): Readonly<Record<string, string>> {
  if (askedAs === "whole") return {};
  return { range: askedAs === "rest" ? `bytes=${start}-` : `bytes=${start}-${end - 1}` };
}

type Judgement = Omit<AuditFinding, "question"> & Partial<Pick<AuditFinding, "question">>;

async function judge(stream: HttpStream, request: AuditRequest): Promise<Judgement> {
  const { question, isByName } = request;
  const { status, headers } = stream;
  const unanswered = (detail: string): Judgement => ({ failure: "unanswered", detail });
  // Asked by content, a volunteer sends back whom it cannot serve: it announced that it can.
  if (status === 302 && isSentToOrigin(headers.location)) return { failure: "missing", detail: "sent back to central" };
  // Asked by content there is nothing else to give, whatever release is there.
  const isSure = (): boolean => !isByName || request.isStillNewest();
  if (status === 404 || status === 410)
    return { failure: isSure() ? "missing" : "unanswered", detail: `answered ${status}` };
  const wrong = (detail: string): Judgement => ({ failure: isSure() ? "wrong-bytes" : "unanswered", detail });
  const isRanged = question.askedAs !== "whole";
  // What was asked for lies within the file.
  if (status === 416 && isRanged) return wrong("answered 416, as for a shorter file");
  if (status !== 200 && (status !== 206 || !isRanged)) return unanswered(`answered ${status}`);
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
  if (status === 206 && Number(start) !== question.start)
    return unanswered(`sent another range, "${headers["content-range"]}"`);
  if (status === 206 && total !== "*" && Number(total) !== question.lengthBytes)
    return wrong(`sent a range of ${total} bytes`);
  const length = headers["content-length"];
  if (status === 200 && length !== undefined && Number(length) !== question.lengthBytes)
    return wrong(`sent ${length} bytes`);
  const compared = status === 200 && isRanged ? beginningOf(question) : question;
  if (request.isAgain && compared !== question) return unanswered("sent the whole file, asked for a range again");
  const expected = await request.copy.read(compared.start, compared.end - compared.start);
  const body = await bytesOf(stream, compared);
  if (!body.equals(expected)) return { question: compared, ...wrong(`sent other bytes at ${compared.start}`) };
  // Right bytes by chance: at another release, or under another name, it would not have them.
  if (!isByName && !isNamed(headers.etag, question.content))
    return unanswered("did not name the content in its ETag, as PRsync's servers and proxies to them do");
  return { failure: undefined, question: compared, detail: "passed" };
}

/** A proxy that compresses makes the tag a weak one (RFC 9110 §8.8.3). */
function isNamed(etag: string | undefined, content: ContentId): boolean {
  return etag?.replace(/^W\//, "") === `"${content}"`;
}

function isSentToOrigin(location: string | undefined): boolean {
  return location !== undefined && URL.parse(location, "http://volunteer")?.searchParams.get("origin") === "1";
}

function beginningOf(question: AuditQuestion): AuditQuestion {
  return { ...question, askedAs: "whole", start: 0, end: question.end - question.start };
}

/** Those that are compared, fewer if there are no more. The rest of a file is not waited for; bytes beyond its end are taken as well. */
async function bytesOf(stream: HttpStream, { askedAs, start, end, lengthBytes }: AuditQuestion): Promise<Buffer> {
  const isToEnd = askedAs === "part" || end === lengthBytes;
  const chunks: Uint8Array[] = [];
  let missing = end - start;
  for await (const chunk of stream.body) {
    chunks.push(chunk);
    missing -= chunk.length;
    if (missing < 0 || (missing === 0 && !isToEnd)) break;
  }
  const bytes = Buffer.concat(chunks);
  return isToEnd ? bytes : bytes.subarray(0, end - start);
}

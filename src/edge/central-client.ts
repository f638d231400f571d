import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { decompressZstd } from "../codec/zstd.ts";
import type { ByteRange } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { verifyObject, type ObjectRef } from "../manifest/object-ref.ts";
import { extractInfo } from "../manifest/torrent.ts";
import type { HttpClient, HttpResponse, RequestLimits } from "../net/http-client.ts";
import { patiently } from "../net/patiently.ts";
import { SyncError } from "./errors.ts";
import { parseJson } from "./json-body.ts";

const DEADLINE_MS = 60_000;
const MIN_BYTES_PER_SECOND = 1_000;
/** A .torrent above 10 MB is refused by libtorrent, so none is made. */
const MAX_TORRENT_BYTES: number = 16 * 2 ** 20;
/** A refusal in words may be longer than the content that was asked for. */
const MAX_PROBLEM_BYTES = 4096;
/** As long as central asks to wait with `Retry-After` while it unpacks. */
const BUSY_WAIT_MS = 1_000;
/** Before each signature of an answer: its length. */
const RECORD_HEAD_BYTES = 4;
/** zstd never makes a frame longer than this: its input plus a small part. */
const frameCap = (lengthBytes: number): number => lengthBytes + (lengthBytes >> 8) + 1024;

/** What several contents have of a kind, as far as the answer goes; undefined for one that has none. */
export type ContentRecords = ReadonlyMap<ContentId, Uint8Array | undefined>;

/** `maxBytes` of all records asked for. */
export interface RecordsOptions {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** Central's objects, contents and bundles by their names (docs/protocol.md, "HTTP of central"); all verified here. */
export class CentralClient {
  readonly #http: HttpClient;
  readonly #baseUrl: string;
  #contentBytes = 0;

  /** @param baseUrl without a slash at the end */
  constructor(http: HttpClient, baseUrl: string) {
    this.#http = http;
    this.#baseUrl = baseUrl;
  }

  /** Bytes received so far that were file contents, with their heads; all else over this client is metadata. */
  get contentBytes(): number {
    return this.#contentBytes;
  }

  /** A metadata object, uncompressed. @throws SyncError `central-refused`, ManifestError `hash-mismatch`, CodecError */
  async object(ref: ObjectRef, signal: AbortSignal): Promise<Uint8Array> {
    if (ref.lengthBytes === 0) return new Uint8Array();
    const { body } = await this.#get(`objects/${ref.sha256}`, { maxBytes: frameCap(ref.lengthBytes), signal });
    const bytes = decompressZstd(body, ref.lengthBytes);
    verifyObject(ref, bytes);
    return bytes;
  }

  /**
   * Block signatures of several contents as they came, undefined for one that has none. Not trusted: matches are hints. An
   * answer may end early, but has the first one.
   * @throws SyncError `central-refused`, `wrong-bytes`
   */
  signatures(contents: readonly ContentId[], options: RecordsOptions): Promise<ContentRecords> {
    return this.#records("signatures", contents, options);
  }

  /** Similarity sketches, in the same way. */
  sketches(contents: readonly ContentId[], options: RecordsOptions): Promise<ContentRecords> {
    return this.#records("sketches", contents, options);
  }

  async #records(
    kind: "signatures" | "sketches",
    contents: readonly ContentId[],
    options: RecordsOptions,
  ): Promise<ContentRecords> {
    const maxBytes = options.maxBytes + RECORD_HEAD_BYTES * contents.length + MAX_PROBLEM_BYTES;
    const asked = Buffer.from(contents.join(""), "hex");
    const limits = { ...limitsOf(maxBytes), signal: options.signal, isRepeatable: true };
    const { body } = requireOk(
      await patiently(() => this.#http.post(`${this.#baseUrl}/.prsync/${kind}`, asked, limits), options.signal),
      kind,
    );
    const records = new Map<ContentId, Uint8Array | undefined>();
    let start = 0;
    for (const content of contents) {
      if (start + RECORD_HEAD_BYTES > body.length) break;
      const length = body.readUInt32BE(start);
      start += RECORD_HEAD_BYTES;
      if (start + length > body.length) break;
      records.set(content, length === 0 ? undefined : Uint8Array.from(body.subarray(start, start + length)));
      start += length;
    }
    if (start === body.length && records.size > 0) return records;
    throw new SyncError("wrong-bytes", `expected ${kind} of ${contents.length} contents, central sent something else`);
  }

  /** Bytes of a file of a metadata bundle; not verified here. @throws SyncError `central-refused`, `wrong-bytes` */
  async metadataRange(
    infoHash: string,
    path: RepoPath,
    options: { readonly range: ByteRange; readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const length = options.range.end - options.range.start;
    const name = `metadata/${infoHash}/${path}`;
    const response = await this.#request(name, { ...options, maxBytes: Math.max(length, MAX_PROBLEM_BYTES) });
    if (response.status !== 206 && response.status !== 200) throw refused(response, name);
    if (response.body.length === length) return response.body;
    throw new SyncError("wrong-bytes", `expected ${length} bytes of ${name}, central sent ${response.body.length}`);
  }

  /** The exact bytes of a bundle's info dictionary. @throws SyncError `wrong-bytes` if its SHA-1 is another */
  async infoDictionary(infoHash: string, signal: AbortSignal): Promise<Uint8Array> {
    const { body } = await this.#get(`torrents/${infoHash}.torrent`, { maxBytes: MAX_TORRENT_BYTES, signal });
    const info = extractInfo(body);
    if (createHash("sha1").update(info).digest("hex") === infoHash) return info;
    throw new SyncError("wrong-bytes", `central's info dictionary of bundle ${infoHash} has another SHA-1`);
  }

  /**
   * Bytes [start, end) of a content; not verified here. Asks once more if central is busy.
   * @throws SyncError `content-unavailable` if central lacks this content or stays busy; `central-refused`, `wrong-bytes`
   */
  async contentRange(content: ContentId, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    let response = await this.#contentRange(content, range, signal);
    if (hasProblem(response, "content-busy")) {
      await sleep(BUSY_WAIT_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      response = await this.#contentRange(content, range, signal);
    }
    if (isUnavailable(response)) throw new SyncError("content-unavailable", toldBy(response, `content ${content}`));
    if (response.status !== 206 && response.status !== 200) throw refused(response, `content ${content}`);
    const length = range.end - range.start;
    if (response.body.length === length) return response.body;
    const told = `expected ${length} bytes of content ${content}, central sent ${response.body.length}`;
    throw new SyncError("wrong-bytes", told);
  }

  async #contentRange(content: ContentId, range: ByteRange, signal: AbortSignal): Promise<HttpResponse> {
    const maxBytes = Math.max(range.end - range.start, MAX_PROBLEM_BYTES);
    const response = await this.#request(`contents/${content}`, { maxBytes, range, signal });
    this.#contentBytes += response.receivedBytes;
    return response;
  }

  async #get(
    name: string,
    options: { readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<HttpResponse> {
    return requireOk(await this.#request(name, options), name);
  }

  async #request(
    name: string,
    options: {
      readonly maxBytes: number;
      readonly signal: AbortSignal;
      readonly range?: { readonly start: number; readonly end: number };
    },
  ): Promise<HttpResponse> {
    const limits = { ...options, ...limitsOf(options.maxBytes) };
    return await patiently(() => this.#http.get(`${this.#baseUrl}/.prsync/${name}`, limits), options.signal);
  }
}

function limitsOf(maxBytes: number): Pick<RequestLimits, "maxBytes" | "deadlineMs" | "minBytesPerSecond"> {
  const deadlineMs = DEADLINE_MS + maxBytes / MIN_BYTES_PER_SECOND;
  return { maxBytes, deadlineMs, minBytesPerSecond: MIN_BYTES_PER_SECOND };
}

function requireOk(response: HttpResponse, what: string): HttpResponse {
  if (response.status === 200) return response;
  throw refused(response, what);
}

function refused(response: HttpResponse, what: string): SyncError {
  return new SyncError("central-refused", toldBy(response, what));
}

function toldBy(response: HttpResponse, what: string): string {
  const told = response.body.subarray(0, 500).toString("utf8");
  return `central answered ${response.status} when asked for ${what}: ${told}`;
}

const problemSchema = z.object({ error: z.object({ code: z.string() }) });

/** Central is well but can't give this content: it was edited away, or is inside another one. Other refusals may concern all. */
function isUnavailable(response: HttpResponse): boolean {
  return response.status === 404 || hasProblem(response, "content-gone") || hasProblem(response, "content-busy");
}

function hasProblem(response: HttpResponse, code: "content-gone" | "content-busy"): boolean {
  return response.status === 503 && problemSchema.safeParse(parseJson(response.body)).data?.error.code === code;
}

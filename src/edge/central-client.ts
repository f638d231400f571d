import { createHash } from "node:crypto";
import { z } from "zod";
import { decompressZstd } from "../codec/zstd.ts";
import type { ContentId } from "../core/content-id.ts";
import { verifyObject, type ObjectRef } from "../manifest/object-ref.ts";
import { extractInfo } from "../manifest/torrent.ts";
import type { HttpClient, HttpResponse } from "../net/http-client.ts";
import { SyncError } from "./errors.ts";
import { parseJson } from "./json-body.ts";

const DEADLINE_MS = 60_000;
const MIN_BYTES_PER_SECOND = 1_000;
/** A .torrent above 10 MB is refused by libtorrent, so none is made. */
const MAX_TORRENT_BYTES: number = 16 * 2 ** 20;
/** A refusal in words may be longer than the content that was asked for. */
const MAX_PROBLEM_BYTES = 4096;
/** zstd never makes a frame longer than this: its input plus a small part. */
const frameCap = (lengthBytes: number): number => lengthBytes + (lengthBytes >> 8) + 1024;

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

  /** Block signature of a content as it came; undefined if there is none. Not trusted: matches are hints. */
  async signature(
    content: ContentId,
    options: { readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<Uint8Array | undefined> {
    const response = await this.#request(`signatures/${content}`, options);
    if (response.status === 404) return undefined;
    return requireOk(response, `signature of ${content}`).body;
  }

  /** Similarity sketch of a content as it came; undefined if there is none. Not trusted: it leads to hints. */
  async sketch(content: ContentId, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const response = await this.#request(`sketches/${content}`, { maxBytes: MAX_PROBLEM_BYTES, signal });
    if (response.status === 404) return undefined;
    return requireOk(response, `sketch of ${content}`).body;
  }

  /** The exact bytes of a bundle's info dictionary. @throws SyncError `wrong-bytes` if its SHA-1 is another */
  async infoDictionary(infoHash: string, signal: AbortSignal): Promise<Uint8Array> {
    const { body } = await this.#get(`torrents/${infoHash}.torrent`, { maxBytes: MAX_TORRENT_BYTES, signal });
    const info = extractInfo(body);
    if (createHash("sha1").update(info).digest("hex") === infoHash) return info;
    throw new SyncError("wrong-bytes", `central's info dictionary of bundle ${infoHash} has another SHA-1`);
  }

  /** Bytes [start, end) of a content; not verified here. */
  async contentRange(
    content: ContentId,
    range: { readonly start: number; readonly end: number },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const length = range.end - range.start;
    const maxBytes = Math.max(length, MAX_PROBLEM_BYTES);
    const response = await this.#request(`contents/${content}`, { maxBytes, range, signal });
    this.#contentBytes += response.receivedBytes;
    if (isGone(response)) throw new SyncError("content-unavailable", toldBy(response, `content ${content}`));
    if (response.status !== 206 && response.status !== 200) throw refused(response, `content ${content}`);
    if (response.body.length === length) return response.body;
    throw new SyncError(
      "wrong-bytes",
      `expected ${length} bytes of content ${content}, central sent ${response.body.length}`,
    );
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
    return await this.#http.get(`${this.#baseUrl}/.prsync/${name}`, {
      ...options,
      deadlineMs: DEADLINE_MS + options.maxBytes / MIN_BYTES_PER_SECOND,
      minBytesPerSecond: MIN_BYTES_PER_SECOND,
    });
  }
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

const goneSchema = z.object({ error: z.object({ code: z.literal("content-gone") }) });

/** Central is well but lacks this content: it was edited away. Any other refusal may concern all of them. */
function isGone(response: HttpResponse): boolean {
  return response.status === 404 || (response.status === 503 && goneSchema.safeParse(parseJson(response.body)).success);
}

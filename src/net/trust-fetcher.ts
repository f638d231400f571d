import type { Fetcher } from "tuf-js";
import { DownloadHTTPError } from "tuf-js/dist/error.js";
import { NetError } from "./errors.ts";
import type { GetOptions, HttpResponse } from "./http-client.ts";
import { patiently } from "./patiently.ts";

/** What the fetcher needs of {@link HttpClient}. */
export interface HttpGet {
  get(url: string, options: GetOptions): Promise<HttpResponse>;
}

/** Caps of bodies in bytes (design, TUF 5.3.3): above what we sign, far below what hurts. */
const MAX_BYTES: Readonly<Record<string, number>> = {
  root: 512_000,
  timestamp: 16_384,
  snapshot: 65_536,
  targets: 65_536,
};

export interface TrustFetcherOptions {
  /** For each file, from the request to its last byte. */
  readonly deadlineMs: number;
  readonly minBytesPerSecond: number;
  readonly signal: AbortSignal;
  /** Taken in place of the first timestamp.json: the one that came with a release event. */
  readonly timestamp?: Uint8Array | undefined;
}

/**
 * Fetches metadata for tuf-js' Updater: capped, with deadlines, without redirects and temporary files. Remembers the roots
 * that came by and why it failed, because the Updater turns reasons into text.
 */
export class TrustFetcher implements Fetcher {
  /** N.root.json as received, by N; verified only if the Updater took them. */
  readonly roots: Map<number, Uint8Array> = new Map<number, Uint8Array>();
  /** The first failure of the network; not set for what central lacks. */
  failure: unknown;
  /** Bytes read from sockets. */
  receivedBytes = 0;
  readonly #http: HttpGet;
  readonly #options: TrustFetcherOptions;

  constructor(http: HttpGet, options: TrustFetcherOptions) {
    this.#http = http;
    this.#options = options;
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const name = url.slice(url.lastIndexOf("/") + 1);
    const role = /^(?:\d+\.)?([a-z]+)\.json$/.exec(name)?.[1] ?? "";
    if (name === "timestamp.json" && this.#options.timestamp !== undefined) return Buffer.from(this.#options.timestamp);
    const bytes = await this.fetchFile(url, {
      maxBytes: Math.min(maxLength, MAX_BYTES[role] ?? 0),
      isOptional: role === "root",
    });
    if (role === "root") this.roots.set(Number.parseInt(name, 10), bytes);
    return bytes;
  }

  /** Not used by a refresh; the release is fetched with {@link fetchFile}, its hash checked by the caller. */
  async downloadFile<T>(): Promise<T> {
    throw new NetError("bad-response", "expected metadata only to be fetched by tuf-js");
  }

  /**
   * @throws NetError `unreachable`, `timeout`, `too-slow`, `too-large`, `bad-status`
   * @throws DownloadHTTPError for a 404 of a file that need not exist: to tuf-js the end of the chain of roots
   */
  async fetchFile(url: string, file: { readonly maxBytes: number; readonly isOptional?: boolean }): Promise<Buffer> {
    try {
      const { deadlineMs, minBytesPerSecond, signal } = this.#options;
      const limits = { maxBytes: file.maxBytes, deadlineMs, minBytesPerSecond, signal };
      const response = await patiently(() => this.#http.get(url, limits), signal);
      this.receivedBytes += response.receivedBytes;
      if (response.status === 200) return response.body;
      if (response.status === 404 && file.isOptional === true) throw new DownloadHTTPError("no such file", 404);
      throw new NetError("bad-status", `${url}: expected status 200, got ${response.status}${errorText(response)}`);
    } catch (error) {
      if (!(error instanceof DownloadHTTPError)) this.failure ??= error;
      throw error;
    }
  }
}

/** Central says why in the body of a refusal. */
function errorText(response: HttpResponse): string {
  const text = response.body.toString("utf8").slice(0, 300).replace(/\s+/g, " ").trim();
  return /^[\x20-\x7e]+$/.test(text) ? `: ${text}` : "";
}

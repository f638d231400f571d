import { messageOf } from "../core/errors.ts";
import type { DownloadEffect } from "./download-effect.ts";
import { Download, type DownloadOptions } from "./download.ts";
import { SwarmError } from "./errors.ts";
import type { DownloadProgress } from "./wanted-pieces.ts";

/** How long a download waits for a source before it gives up. */
export interface SourcePatience {
  /** Nobody connected offers anything that is missing. */
  readonly noSourceMs: number;
  /** Somebody offers, but nothing comes. */
  readonly noProgressMs: number;
}

export const DEFAULT_SOURCE_PATIENCE: SourcePatience = { noSourceMs: 60_000, noProgressMs: 300_000 };

/**
 * A mirror has central's HTTP as its last source, so a swarm without a source is given up sooner than elsewhere: a connection
 * to a peer takes at most 10 s.
 */
export const MIRROR_PATIENCE: SourcePatience = { ...DEFAULT_SOURCE_PATIENCE, noSourceMs: 15_000 };

export interface DownloadCall {
  readonly signal?: AbortSignal;
  /** After each verified piece and about every 100 ms while bytes come. */
  readonly onProgress?: (progress: DownloadProgress) => void;
}

export interface RunningDownloadOptions extends DownloadOptions, DownloadCall {
  readonly bundleNumber: number;
  readonly patience: SourcePatience;
}

/** A download and the promise of who asked for it. */
export class RunningDownload {
  readonly state: Download;
  readonly done: Promise<void>;
  readonly #options: RunningDownloadOptions;
  readonly #settle: PromiseWithResolvers<void>;
  #reportedBytes = 0;
  #isSettled = false;

  constructor(options: RunningDownloadOptions) {
    this.#options = options;
    this.state = new Download(options);
    this.#settle = Promise.withResolvers<void>();
    this.done = this.#settle.promise;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  succeed(): void {
    this.#isSettled = true;
    this.#settle.resolve();
  }

  fail(error: unknown): void {
    this.#isSettled = true;
    this.#settle.reject(error instanceof Error ? error : new Error(messageOf(error)));
  }

  report(): void {
    this.#reportedBytes = this.state.progress.receivedBytes;
    this.#options.onProgress?.(this.state.progress);
  }

  /** Time went by. @returns what to do, and the failure if there is no hope left */
  tick(nowMs: number): { effects: DownloadEffect[]; failure: SwarmError | undefined } {
    if (this.state.progress.receivedBytes !== this.#reportedBytes) this.report();
    const idleMs = nowMs - this.state.progressMs;
    const { noSourceMs, noProgressMs } = this.#options.patience;
    const isHopeless = this.state.hasSource ? idleMs > noProgressMs : idleMs > noSourceMs;
    return { effects: this.state.tick(nowMs), failure: isHopeless ? this.#noSource(idleMs) : undefined };
  }

  #noSource(idleMs: number): SwarmError {
    const missing = this.state.missingPieces;
    const named = missing.slice(0, 10).join(", ") + (missing.length > 10 ? ", …" : "");
    const problem = `nobody gave the ${missing.length} missing pieces (${named}) of bundle ${this.#options.bundleNumber}`;
    return new SwarmError("no-source", `${problem} for ${Math.round(idleMs / 1000)} s`);
  }
}

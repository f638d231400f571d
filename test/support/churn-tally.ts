import type { FetchOutcome } from "./customer-fetch.ts";

/** What came of all requests. */
export interface ChurnReport {
  /** Tries, the second ones of cut connections included. */
  readonly tries: number;
  readonly files: number;
  readonly bytes: number;
  readonly volunteerBytes: number;
  /** Of these, from web servers that know names alone. */
  readonly byNameBytes: number;
  readonly notFound: number;
  /** Bytes that no release of the time had under that path, or other ones than the redirect promised. */
  readonly wrongBytes: number;
  /** Answers with any other status than 200 and 404. */
  readonly otherStatus: number;
  /** Connections that were refused or broke. */
  readonly cut: number;
  /** Of these, to a mirror that was not killed, or asked for later than two intervals after it was. */
  readonly cutOutOfTime: number;
  /** Largest time from a kill to a request that was still sent to that mirror. */
  readonly lastCutAfterKillMs: number;
  /** Of these, with a second try of the same customer that failed too. */
  readonly cutTwice: number;
  readonly kills: number;
  readonly releases: number;
  readonly seconds: number;
  /** The first of those that should not be. */
  readonly complaints: readonly string[];
}

interface Try {
  readonly isRight: boolean;
  readonly attempt: number;
  readonly span: readonly [startMs: number, endMs: number];
  readonly path: string;
}

const MAX_COMPLAINTS = 20;

/** Counts outcomes and judges them. */
export class ChurnTally {
  readonly #central: string;
  readonly #silenceMs: number;
  readonly #byName: ReadonlySet<string>;
  readonly #kills = new Map<string, { readonly killedMs: number; returnedMs: number }[]>();
  readonly #complaints: string[] = [];
  #tries = 0;
  #files = 0;
  #bytes = 0;
  #volunteerBytes = 0;
  #byNameBytes = 0;
  #notFound = 0;
  #wrongBytes = 0;
  #otherStatus = 0;
  #cut = 0;
  #cutOutOfTime = 0;
  #cutTwice = 0;
  #lastCutAfterKillMs = 0;

  /**
   * @param scene `central`: its host and port; `byName`: those of web servers that know names alone; `silenceMs`: after so long without an
   * announce nobody is sent to a mirror
   */
  constructor(scene: { readonly central: string; readonly byName: readonly string[]; readonly silenceMs: number }) {
    this.#central = scene.central;
    this.#silenceMs = scene.silenceMs;
    this.#byName = new Set(scene.byName);
  }

  killed(host: string): void {
    const kills = this.#kills.get(host) ?? [];
    kills.push({ killedMs: performance.now(), returnedMs: Infinity });
    this.#kills.set(host, kills);
  }

  returned(host: string): void {
    this.#kills.get(host)!.at(-1)!.returnedMs = performance.now();
  }

  note(outcome: FetchOutcome, tried: Try): void {
    this.#tries++;
    if (outcome.kind === "cut") this.#noteCut(outcome, tried);
    else if (outcome.kind === "status") this.#noteStatus(outcome, tried);
    else this.#noteFile(outcome, tried);
  }

  #noteFile(outcome: FetchOutcome & { readonly kind: "file" }, tried: Try): void {
    this.#files++;
    this.#bytes += outcome.lengthBytes;
    if (outcome.from !== this.#central) this.#volunteerBytes += outcome.lengthBytes;
    if (this.#byName.has(outcome.from)) this.#byNameBytes += outcome.lengthBytes;
    if (tried.isRight && (outcome.digest ?? outcome.sha256) === outcome.sha256) return;
    this.#wrongBytes++;
    this.#complain(outcome, tried);
  }

  #noteStatus(outcome: FetchOutcome & { readonly kind: "status" }, tried: Try): void {
    if (outcome.status === 404) this.#notFound++;
    else this.#otherStatus++;
    this.#complain(outcome, tried);
  }

  #noteCut(outcome: FetchOutcome & { readonly kind: "cut" }, tried: Try): void {
    const [startMs, endMs] = tried.span;
    this.#cut++;
    const kill = this.#kills
      .get(outcome.from)
      ?.find(({ killedMs, returnedMs }) => killedMs <= endMs && startMs <= returnedMs);
    const sinceKillMs = kill === undefined ? Infinity : Math.max(0, startMs - kill.killedMs);
    if (kill !== undefined) this.#lastCutAfterKillMs = Math.max(this.#lastCutAfterKillMs, sinceKillMs);
    if (sinceKillMs > this.#silenceMs) this.#cutOutOfTime++;
    if (tried.attempt > 1) this.#cutTwice++;
    if (sinceKillMs > this.#silenceMs || tried.attempt > 1) this.#complain(outcome, tried);
  }

  #complain(outcome: FetchOutcome, { path, attempt, span }: Try): void {
    if (this.#complaints.length >= MAX_COMPLAINTS) return;
    this.#complaints.push(JSON.stringify({ path, attempt, atMs: Math.round(span[0]), ...outcome }));
  }

  report(facts: Pick<ChurnReport, "releases" | "seconds">): ChurnReport {
    return {
      tries: this.#tries,
      files: this.#files,
      bytes: this.#bytes,
      volunteerBytes: this.#volunteerBytes,
      byNameBytes: this.#byNameBytes,
      notFound: this.#notFound,
      wrongBytes: this.#wrongBytes,
      otherStatus: this.#otherStatus,
      cut: this.#cut,
      cutOutOfTime: this.#cutOutOfTime,
      lastCutAfterKillMs: Math.round(this.#lastCutAfterKillMs),
      cutTwice: this.#cutTwice,
      kills: [...this.#kills.values()].reduce((sum, kills) => sum + kills.length, 0),
      ...facts,
      complaints: this.#complaints,
    };
  }
}

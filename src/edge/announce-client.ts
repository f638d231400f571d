import { z } from "zod";
import type { Assignment } from "../plan/assigned-cut.ts";
import type { BorderTasks } from "../swarm/site-view.ts";
import type { Clock } from "../core/clock.ts";
import type { HttpClient, HttpResponse } from "../net/http-client.ts";
import {
  nextSequence,
  SEQUENCE_HEADER,
  SIGNATURE_HEADER,
  signRequest,
  VOLUNTEER_HEADER,
} from "../trust/request-signature.ts";
import type { SigningKey } from "../trust/signing-key.ts";
import { volunteerIdOf } from "../trust/signing-key.ts";
import { parseJson } from "./json-body.ts";
import { SyncError } from "./errors.ts";

/** What this mirror tells (docs/protocol.md, "Announce of volunteers"). Rates in bytes per second, 0 unknown. */
export interface AnnounceBody {
  readonly repository: string;
  /** Held release, 0 none. */
  readonly release: number;
  readonly syncing: boolean;
  readonly bytesLeft: number;
  /** Open customer transfers. */
  readonly customers: number;
  /** Of their answers, still to be sent. */
  readonly customerBytesLeft: number;
  readonly uploadBytesPerSecond: number;
  readonly uploadCapacityBytesPerSecond: number;
  readonly site?: string;
  /** Bytes to and from other sites since the start. */
  readonly border: { readonly uploaded: number; readonly downloaded: number };
  /** Bytes since the start: sent to customers; of what releases asked for, what was here and what came from whom. */
  readonly transfers: {
    readonly customers: number;
    readonly reused: number;
    /** Of what was here, the parts of other files. */
    readonly delta: number;
    readonly peers: number;
    readonly origin: number;
  };
  readonly url?: string;
  /** Left out: any. */
  readonly customersFrom?: "site";
  /** Nobody is served without central's signature. */
  readonly onlyRedirected?: true;
  /** A web server is at the URL that knows names alone; of contents only those are told that stand at all their names. */
  readonly byName?: true;
  /** Seconds until the next sync; others serve customers at the URL meanwhile. */
  readonly expect?: number;
  /** It holds what central assigns, within the quota, and may vanish at any moment. */
  readonly role?: "volatile";
  /** Bytes. */
  readonly quota?: number;
  readonly holdings: AnnouncedHoldings;
  /** Tags of what came with earlier answers and need not come again. */
  readonly known: { readonly peers: readonly string[]; readonly terms?: string };
}

export type AnnouncedHoldings =
  | { readonly base: number; readonly complete: number }
  | { readonly base: number; readonly bundles: readonly { readonly number: number; readonly have: string }[] };

/** BEP 3's parameters. */
export interface AnnounceCounters {
  readonly port: number;
  readonly uploaded: number;
  readonly downloaded: number;
  readonly left: number;
  readonly event?: "started" | "completed" | "stopped";
}

/** Central's answer, checked. */
export interface AnnounceAnswer {
  /** Seconds. */
  readonly interval: number;
  readonly peers: readonly AnnouncedPeer[];
  readonly origin?: { readonly id: string; readonly port: number } | undefined;
  readonly pass?: string | undefined;
  /** Volunteer ids whose passes no longer count. */
  readonly revoked?: readonly string[] | undefined;
  /** Base URL of central for customers, without a slash at its end; undefined: none but that of the ticket. */
  readonly publicUrl?: string | undefined;
  readonly release?: number | undefined;
  readonly holdingsId?: number | undefined;
  readonly fullHoldingsWanted?: boolean | undefined;
  /** Where central takes this mirror to stand. */
  readonly site?: string | undefined;
  /** Other volunteers there. */
  readonly neighbours?: number | undefined;
  /** Sites that share the work at their borders, and this mirror's part of it. */
  readonly border?: BorderTasks | undefined;
  /** What a volatile volunteer is to hold; undefined from a central that assigns nothing. */
  readonly assignment?: Assignment | undefined;
  /** Undefined unless stock clients are let in. */
  readonly stock?: readonly AnnouncedStockPeer[] | undefined;
  /** Of the peers that the announce told as known those that still count: a bitmap, base64. Undefined: {@link peers} are all. */
  readonly kept?: string | undefined;
  /** Stands for origin, pass, revoked, public URL, site and border; left out beside {@link kept}: these are as before. */
  readonly terms?: string | undefined;
}

/** A BitTorrent client without a pass that has, or fetches, the bundle. */
export interface AnnouncedStockPeer {
  readonly bundle: number;
  readonly host: string;
  readonly port: number;
}

export interface AnnouncedPeer {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly site?: string | undefined;
  /** Release of which it holds everything. */
  readonly complete?: number | undefined;
  /** Bundles of which it holds something. */
  readonly bundles?: readonly number[] | undefined;
  /** Stands for all this in later announces. */
  readonly tag?: string | undefined;
}

const tag = z.string().min(1).max(64);
const port = z.int().min(1).max(65_535);
const answerSchema: z.ZodType<AnnounceAnswer> = z.object({
  interval: z.number().positive(),
  peers: z
    .array(
      z.object({
        id: z.string().regex(/^[0-9a-f]{40}$/),
        host: z.string(),
        port,
        site: z.string().max(64).optional(),
        complete: z.int().optional(),
        bundles: z.array(z.int()).optional(),
        tag: tag.optional(),
      }),
    )
    .max(200),
  origin: z.object({ id: z.string().regex(/^[0-9a-f]{40}$/), port }).optional(),
  pass: z.string().max(4096).optional(),
  site: z.string().max(64).optional(),
  neighbours: z.int().min(0).optional(),
  border: z
    .object({
      homes: z.array(z.string().max(64)).max(1000),
      slices: z.int().min(1).max(1024),
      tasks: z.array(z.object({ site: z.string().max(64), slice: z.int().min(0).max(1023) })).max(10_000),
    })
    .optional(),
  revoked: z.array(z.string()).max(100_000).optional(),
  publicUrl: z.string().transform(baseUrlOf).optional(),
  kept: z.base64().max(64).optional(),
  terms: tag.optional(),
  release: z.int().optional(),
  holdingsId: z.int().optional(),
  fullHoldingsWanted: z.boolean().optional(),
  assignment: z
    .object({ release: z.int().min(1), since: z.int().min(1), seed: z.int().min(0).max(0xffff_ffff) })
    .optional(),
  stock: z
    .array(z.object({ bundle: z.int(), host: z.union([z.ipv4(), z.ipv6()]), port }))
    .max(200)
    .optional(),
});

/** Only what can stand in a Location header before a path; anything else is as if nothing was told. */
function baseUrlOf(text: string): string | undefined {
  const url = URL.parse(text);
  const isBase =
    (url?.protocol === "http:" || url?.protocol === "https:") &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === "";
  return isBase ? url.href.replace(/\/$/, "") : undefined;
}

const revokedSchema = z.object({ error: z.object({ code: z.literal("revoked") }) });
const staleSchema = z.object({ error: z.object({ code: z.literal("stale-sequence") }), sequence: z.int() });
const DEADLINE_MS = 30_000;
const MAX_ANSWER_BYTES = 4 * 2 ** 20;

/** Sends signed announces; keeps the sequence number that never repeats. */
export class AnnounceClient {
  readonly #http: HttpClient;
  readonly #key: SigningKey;
  readonly #centralUrl: string;
  readonly #clock: Clock;
  #sequence = 0;

  constructor(options: {
    readonly http: HttpClient;
    readonly key: SigningKey;
    readonly centralUrl: string;
    readonly clock: Clock;
  }) {
    this.#http = options.http;
    this.#key = options.key;
    this.#centralUrl = options.centralUrl;
    this.#clock = options.clock;
  }

  /** @throws SyncError `central-refused`, `revoked`, NetError if central can't be reached */
  async announce(counters: AnnounceCounters, body: AnnounceBody, signal: AbortSignal): Promise<AnnounceAnswer> {
    // Each time with a number of its own. If central saw the first, it asks for all holdings anew, as after a lost answer.
    let response = await this.#http.replacingStale(() => this.#send(counters, body, signal));
    const stale = staleSchema.safeParse(parseJson(response.body));
    if (response.status === 401 && stale.success) {
      // Our clock went back since the last run: go on above what central has seen.
      this.#sequence = stale.data.sequence;
      response = await this.#send(counters, body, signal);
    }
    const answer = answerSchema.safeParse(parseJson(response.body));
    if (response.status === 200 && answer.success) return answer.data;
    if (response.status === 403 && revokedSchema.safeParse(parseJson(response.body)).success) {
      throw new SyncError(
        "revoked",
        "central's operator revoked this mirror; ask for a new ticket (prsync invite TREE NAME --again)",
      );
    }
    const told =
      response.status === 200 ? "an answer that makes no sense" : response.body.subarray(0, 500).toString("utf8");
    throw new SyncError("central-refused", `central answered the announce with ${response.status}: ${told}`);
  }

  async #send(counters: AnnounceCounters, body: AnnounceBody, signal: AbortSignal): Promise<HttpResponse> {
    const bytes = Buffer.from(JSON.stringify(body));
    const url = new URL(`${this.#centralUrl}/.prsync/announce?${this.#query(counters)}`);
    this.#sequence = nextSequence(this.#sequence, this.#clock.wallMs());
    const target = url.pathname + url.search;
    const request = { method: "POST", target, sequence: this.#sequence, body: bytes };
    return await this.#http.post(url, bytes, {
      maxBytes: MAX_ANSWER_BYTES,
      deadlineMs: DEADLINE_MS,
      signal,
      headers: {
        "content-type": "application/json",
        [VOLUNTEER_HEADER]: volunteerIdOf(this.#key.publicKey),
        [SEQUENCE_HEADER]: String(this.#sequence),
        [SIGNATURE_HEADER]: signRequest(this.#key, request),
      },
    });
  }

  #query(counters: AnnounceCounters): string {
    const id = volunteerIdOf(this.#key.publicKey);
    const escapedId = id.replace(/../g, (byte) => `%${byte}`);
    const { port, uploaded, downloaded, left, event } = counters;
    const numbers = `port=${port}&uploaded=${uploaded}&downloaded=${downloaded}&left=${left}`;
    return `peer_id=${escapedId}&${numbers}${event === undefined ? "" : `&event=${event}`}`;
  }
}

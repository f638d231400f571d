import { z } from "zod";
import { parseByteQuery, readAnnounceQuery, type AnnounceQuery } from "./announce-query.ts";
import { refuseAnnounce } from "./errors.ts";
import type { BorderReport } from "./site-balance.ts";
import type { TransferReport } from "./transfer-totals.ts";
import type { KnownParts } from "./told-parts.ts";
import { MAX_REPORTED_BUNDLES, type BundleHave, type HoldingsReport } from "./holdings.ts";

/** An announce of a volunteer, checked (docs/protocol.md, "Announce of volunteers"). */
export interface VolunteerAnnounce extends AnnounceQuery {
  readonly repository: string;
  /** Release held, 0 none. */
  readonly release: number;
  readonly isSyncing: boolean;
  readonly bytesLeft: number;
  /** Open transfers of customers. */
  readonly customers: number;
  /** Of their answers, still to be sent. */
  readonly customerBytesLeft: number;
  readonly uploadBytesPerSecond: number;
  /** 0 if unknown. */
  readonly uploadCapacityBytesPerSecond: number;
  readonly site: string | undefined;
  /** Base URL of its HTTP without a slash at the end, undefined if it serves no customers. */
  readonly url: string | undefined;
  /** Whose customers it takes, if it has a URL. */
  readonly customersFrom: "any" | "site";
  /** It serves nobody without central's signature. */
  readonly isOnlyRedirected: boolean;
  /** A web server serves its customers that knows names alone: it gives what stands there, whatever content is asked for. */
  readonly isByName: boolean;
  /** Such a web server serves customers, and it syncs about so often; undefined if its program goes on between two syncs. */
  readonly expectedMs: number | undefined;
  /** Of a volatile volunteer: it holds what central assigns, within so many bytes; undefined for any other. */
  readonly volatileQuotaBytes: number | undefined;
  readonly holdings: HoldingsReport;
  /** Bytes to and from other sites since its program started; undefined if it does not tell. */
  readonly border: BorderReport | undefined;
  /** Undefined if it does not tell. */
  readonly transfers: TransferReport | undefined;
  /** What it has of earlier answers; undefined if it wants all of each answer. */
  readonly known: KnownParts | undefined;
}

export const MAX_ANNOUNCE_BYTES: number = 1024 * 1024;
/** Bits of the largest content table (32,768) in base64. */
const MAX_BITMAP_TEXT = 5464;

/** Thirty days. */
const MAX_EXPECTED_SECONDS = 30 * 86_400;

/** Four answers full of them; what stands beyond is as if it were not there. */
const MAX_KNOWN_PEERS = 200;

const count = z.int().min(0);
/** Whatever another central may have given. */
const tag = z.string().min(1).max(64);
/** A hint: one that can't be used costs a longer answer, and never the announce. */
const knownSchema = z
  .object({
    peers: z
      .array(z.unknown())
      .transform((tags) => tags.slice(0, MAX_KNOWN_PEERS))
      .pipe(z.array(tag)),
    terms: tag.optional(),
  })
  .catch({ peers: [] });
const haveSchema = z.union([z.enum(["all", "none"]), z.base64().min(4).max(MAX_BITMAP_TEXT)]);
const bundleSchema = z.object({ number: count, have: haveSchema });
const holdingsSchema = z.object({
  base: count,
  complete: z.int().min(1).optional(),
  bundles: z.array(bundleSchema).max(MAX_REPORTED_BUNDLES).optional(),
});
const bodySchema = z.object({
  repository: z.string().regex(/^[0-9a-f]{32}$/),
  release: count,
  syncing: z.boolean(),
  bytesLeft: count,
  customers: count,
  customerBytesLeft: count.default(0),
  uploadBytesPerSecond: count,
  uploadCapacityBytesPerSecond: count,
  site: z
    .string()
    .regex(/^[^\p{C}]{1,64}$/u)
    .optional(),
  url: z.string().max(512).optional(),
  customersFrom: z.enum(["any", "site"]).default("any"),
  onlyRedirected: z.boolean().default(false),
  byName: z.boolean().default(false),
  expect: z.int().min(1).max(MAX_EXPECTED_SECONDS).optional(),
  role: z.string().max(64).optional(),
  quota: z.int().min(1).optional(),
  holdings: holdingsSchema,
  border: z.object({ uploaded: count, downloaded: count }).optional(),
  transfers: z
    .object({ customers: count, reused: count, delta: count.default(0), peers: count, origin: count })
    .optional(),
  known: knownSchema.optional(),
});

/**
 * Reads the query and the body of a volunteer's announce. Keys it does not know are ignored.
 *
 * @throws TrackerError `bad-announce`
 */
export function parseVolunteerAnnounce(query: string, body: Uint8Array): VolunteerAnnounce {
  const parsed = bodySchema.safeParse(parseJson(body));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    refuseAnnounce(`expected another value under ${issue.path.map(String).join(".")}: ${issue.message}`);
  }
  const {
    syncing,
    holdings,
    site,
    url,
    onlyRedirected,
    byName,
    expect,
    border,
    transfers,
    role,
    quota,
    known,
    ...rest
  } = parsed.data;
  const counters = readAnnounceQuery(parseByteQuery(query));
  return {
    ...counters,
    ...rest,
    isSyncing: syncing,
    site,
    url: url === undefined ? undefined : readBaseUrl(url),
    isOnlyRedirected: onlyRedirected,
    // Who comes and goes leaves its customers to a web server, whether it says so or not.
    isByName: byName || expect !== undefined,
    expectedMs: expect === undefined ? undefined : expect * 1000,
    // A role that is not known here is nothing to refuse a mirror for.
    volatileQuotaBytes: role === "volatile" ? quota : undefined,
    holdings: readHoldings(holdings),
    border: border && { uploadedBytes: border.uploaded, downloadedBytes: border.downloaded },
    transfers: transfers && {
      swarmBytes: counters.uploadedBytes,
      customerBytes: transfers.customers,
      reusedBytes: transfers.reused,
      deltaBytes: Math.min(transfers.delta, transfers.reused),
      peerBytes: transfers.peers,
      originBytes: transfers.origin,
    },
    known: known && { peers: known.peers, terms: known.terms },
  };
}

function parseJson(body: Uint8Array): unknown {
  if (body.length > MAX_ANNOUNCE_BYTES) refuseAnnounce(`expected a body of at most ${MAX_ANNOUNCE_BYTES} bytes`);
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch {
    return refuseAnnounce("expected a body in JSON");
  }
}

function readHoldings(holdings: z.infer<typeof holdingsSchema>): HoldingsReport {
  const { base, complete, bundles } = holdings;
  if ((complete === undefined) === (bundles === undefined)) refuseAnnounce(`expected either "complete" or "bundles"`);
  const haves = new Map<number, BundleHave>();
  for (const { number, have } of bundles ?? []) {
    if (haves.has(number)) refuseAnnounce(`expected bundle ${number} once`);
    haves.set(number, have === "all" || have === "none" ? have : new Uint8Array(Buffer.from(have, "base64")));
  }
  return { base, completeRelease: complete, bundles: haves };
}

/** Only what can stand in a Location header and in HTML without surprises (rows H05, H07). */
function readBaseUrl(text: string): string {
  const url = URL.parse(text);
  const isBase =
    (url?.protocol === "http:" || url?.protocol === "https:") &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === "";
  if (!isBase) refuseAnnounce("expected an http or https URL without user, query and fragment");
  return url.href.replace(/\/$/, "");
}

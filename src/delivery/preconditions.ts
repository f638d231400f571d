/** What a representation is told by, for RFC 9110 §13. */
export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** Whole seconds since 1970, as `Last-Modified` says it; undefined: not known, and not sent. */
  readonly lastModifiedSeconds: number | undefined;
}

/** The conditional headers of a request; lower-case names as Node gives them. */
export interface ConditionalHeaders {
  readonly "if-match"?: string | undefined;
  readonly "if-unmodified-since"?: string | undefined;
  readonly "if-none-match"?: string | undefined;
  readonly "if-modified-since"?: string | undefined;
  readonly "if-range"?: string | undefined;
}

export type PreconditionResult = "proceed" | "not-modified" | "precondition-failed";

/** Evaluates the conditions of a GET or HEAD in the order of RFC 9110 §13.2.2; without a date those by date are ignored (§13.1.3, §13.1.4). */
export function evaluatePreconditions(headers: ConditionalHeaders, validators: Validators): PreconditionResult {
  const ifMatch = headers["if-match"];
  if (ifMatch !== undefined) {
    if (!listsEtag(ifMatch, validators.etag, "strong")) return "precondition-failed";
  } else if (isBefore(headers["if-unmodified-since"], validators.lastModifiedSeconds)) {
    return "precondition-failed";
  }
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined) return listsEtag(ifNoneMatch, validators.etag, "weak") ? "not-modified" : "proceed";
  const since = parseHttpDate(headers["if-modified-since"]);
  const { lastModifiedSeconds } = validators;
  if (since === undefined || lastModifiedSeconds === undefined) return "proceed";
  return lastModifiedSeconds <= since ? "not-modified" : "proceed";
}

/** Whether `Range` counts (RFC 9110 §13.1.5): no If-Range, the same strong ETag, or exactly the same date. */
export function doesRangeCount(ifRange: string | undefined, validators: Validators): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.includes('"')) return ifRange === validators.etag;
  return validators.lastModifiedSeconds !== undefined && parseHttpDate(ifRange) === validators.lastModifiedSeconds;
}

/** IMF-fixdate (RFC 9110 §5.6.7) of whole seconds since 1970; times outside 1970…9999 are moved inside. */
export function formatHttpDate(seconds: number): string {
  return new Date(Math.min(Math.max(seconds, 0), 253_402_300_799) * 1000).toUTCString();
}

const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Seconds since 1970; undefined for anything but an IMF-fixdate. */
export function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined || !IMF_FIXDATE.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** Splitting at commas is exact here: our own ETags are hex and hold none, so a foreign one with a comma never matches. */
function listsEtag(list: string, etag: string, comparison: "strong" | "weak"): boolean {
  if (list.trim() === "*") return true;
  return list.split(",").some((item) => {
    const candidate = item.trim();
    return candidate === etag || (comparison === "weak" && candidate === `W/${etag}`);
  });
}

/** True if `date` is given and the representation changed after it. */
function isBefore(date: string | undefined, lastModifiedSeconds: number | undefined): boolean {
  const seconds = parseHttpDate(date);
  return seconds !== undefined && lastModifiedSeconds !== undefined && seconds < lastModifiedSeconds;
}

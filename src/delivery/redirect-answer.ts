import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";

/** Header fields of a 302 to a volunteer. */
export type RedirectHeaders = Readonly<
  Record<"Location" | "Link" | "Digest" | "Cache-Control" | "Vary" | "Content-Length", string>
>;

/** One place that a customer may be sent to. */
export interface RedirectPlace {
  /** Base URL as it was registered, without a slash at the end. */
  readonly url: string;
  /** Stands at the end of the query there: central's signature, if it wants one. */
  readonly signature?: string;
}

/**
 * A redirect as RFC 6249 has it: the chosen place, the next best as duplicates, and the digest that whatever is fetched there
 * must have. Made of a registered base and a path that was looked up, never of bytes of the request (rows H05, H07).
 *
 * @param places best first, at least one
 */
export function redirectHeaders(places: readonly RedirectPlace[], { suffix, digest }: RedirectTarget): RedirectHeaders {
  return {
    Location: locationOf(places[0]!, suffix),
    Link: linksTo(places, suffix),
    Digest: digest,
    // Who is sent where changes with every request.
    "Cache-Control": "no-store",
    Vary: "Accept",
    "Content-Length": "0",
  };
}

/** The same as lines of a head, each with its end: for who writes heads itself. */
export function redirectFields(places: readonly RedirectPlace[], { suffix, digest }: RedirectTarget): string {
  const location = `Location: ${locationOf(places[0]!, suffix)}\r\nLink: ${linksTo(places, suffix)}`;
  return `${location}\r\nDigest: ${digest}\r\nCache-Control: no-store\r\nVary: Accept\r\nContent-Length: 0\r\n`;
}

function locationOf({ url, signature }: RedirectPlace, suffix: string): string {
  return signature === undefined ? url + suffix : url + suffix + signature;
}

function linksTo(places: readonly RedirectPlace[], suffix: string): string {
  let links = "";
  for (let index = 0; index < places.length; index++) {
    links += `${index === 0 ? "<" : ", <"}${locationOf(places[index]!, suffix)}>; rel=duplicate; pri=${index + 1}`;
  }
  return links;
}

/** What redirects to a content under a name have in common, wherever they lead. */
export interface RedirectTarget {
  /** Path and query after the base URL of a volunteer. */
  readonly suffix: string;
  /** Value of `Digest` (RFC 3230). */
  readonly digest: string;
}

export function redirectTarget(path: RepoPath, content: ContentId): RedirectTarget {
  return {
    suffix: contentUrl("", path, content),
    digest: `SHA-256=${Buffer.from(content, "hex").toString("base64")}`,
  };
}

/** Where a volunteer has exactly this content, under this name or another; nginx ignores the query. */
export function contentUrl(base: string, path: RepoPath, content: ContentId): string {
  // Most names need no escapes, and this runs for each redirect.
  const escaped = UNRESERVED_PATH.test(path) ? path : path.split("/").map(percentEncodeBytes).join("/");
  return `${base}/${escaped}?sha256=${content}`;
}

const UNRESERVED_PATH = /^[A-Za-z0-9\-._~/]*$/;

import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";

/** Header fields of a 302 to a volunteer. */
export type RedirectHeaders = Readonly<
  Record<"Location" | "Link" | "Digest" | "Cache-Control" | "Content-Length", string>
>;

/** One place that a customer may be sent to. */
export interface RedirectPlace {
  /** Base URL as it was registered, without a slash at the end. */
  readonly url: string;
}

/**
 * A redirect as RFC 6249 has it: the chosen place, the next best as duplicates, and the digest that whatever is fetched there
 * must have. Made of a registered base and a path that was looked up, never of bytes of the request (rows H05, H07).
 *
 * @param places best first, at least one
 */
export function redirectHeaders(places: readonly RedirectPlace[], path: RepoPath, content: ContentId): RedirectHeaders {
  const [target, ...duplicates] = places.map(({ url }) => contentUrl(url, path, content));
  const links = [target!, ...duplicates].map((url, index) => `<${url}>; rel=duplicate; pri=${index + 1}`);
  return {
    Location: target!,
    Link: links.join(", "),
    Digest: `SHA-256=${Buffer.from(content, "hex").toString("base64")}`,
    // Who is sent where changes with every request.
    "Cache-Control": "no-store",
    "Content-Length": "0",
  };
}

/** Where a volunteer has exactly this content, under this name or another; nginx ignores the query. */
export function contentUrl(base: string, path: RepoPath, content: ContentId): string {
  return `${base}/${path.split("/").map(percentEncodeBytes).join("/")}?sha256=${content}`;
}

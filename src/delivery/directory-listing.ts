import { baseNameOf, displayPath, isReserved, type RepoPath } from "../core/repo-path.ts";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";
import type { Entry } from "../manifest/entry.ts";
import { escapeHtml } from "./html-text.ts";

/**
 * A plain HTML page of a directory of the release, like nginx' autoindex: tools that mirror by following links read it. In three parts, since
 * the rows of a large directory come piece by piece.
 *
 * @param directory undefined for the top
 */
export function listingHead(directory: RepoPath | undefined): string {
  const title = escapeHtml(directory === undefined ? "Index of /" : `Index of /${displayPath(directory)}/`);
  const up = directory === undefined ? "" : '<a href="../">../</a>\n';
  return (
    `<!doctype html>\n<html><head><meta charset="utf-8"><title>${title}</title></head>\n` +
    `<body><h1>${title}</h1><hr><pre>\n${up}`
  );
}

export function listingRows(children: readonly Entry[]): string {
  return children
    .filter((entry) => !isReserved(entry.path))
    .map(renderRow)
    .join("");
}

export const LISTING_END = "</pre><hr></body></html>\n";

/** Names that need no escape, as nearly all of packages: told at a glance, since a directory may have a million. */
const PLAIN_NAME = /^[A-Za-z0-9._~-]+$/;

function renderRow(entry: Entry): string {
  const name = baseNameOf(entry.path);
  const slash = entry.kind === "directory" ? "/" : "";
  const isPlain = PLAIN_NAME.test(name);
  const link = isPlain ? name : percentEncodeBytes(name);
  const shown = isPlain ? name : escapeHtml(displayPath(name));
  const time = new Date(Number(entry.mtimeNs / 1_000_000n));
  const when = Number.isNaN(time.getTime()) ? "-" : time.toISOString().slice(0, 16).replace("T", " ");
  const size = entry.kind === "file" ? String(entry.size) : "-";
  // "./" keeps a name like "a:b" from being read as a scheme.
  return `<a href="./${link}${slash}">${shown}${slash}</a>  ${when}  ${size}\n`;
}

import { baseNameOf, displayPath, isReserved, type RepoPath } from "../core/repo-path.ts";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";
import type { Entry } from "../manifest/entry.ts";
import { escapeHtml } from "./html-text.ts";

/**
 * A plain HTML page of a directory of the release, like nginx' autoindex: tools that mirror by following links read it.
 *
 * @param directory undefined for the top
 */
export function renderDirectoryListing(directory: RepoPath | undefined, children: readonly Entry[]): string {
  const title = escapeHtml(directory === undefined ? "Index of /" : `Index of /${displayPath(directory)}/`);
  const rows = children.filter((entry) => !isReserved(entry.path)).map(renderRow);
  const up = directory === undefined ? "" : '<a href="../">../</a>\n';
  return (
    `<!doctype html>\n<html><head><meta charset="utf-8"><title>${title}</title></head>\n` +
    `<body><h1>${title}</h1><hr><pre>\n${up}${rows.join("")}</pre><hr></body></html>\n`
  );
}

function renderRow(entry: Entry): string {
  const name = baseNameOf(entry.path);
  const slash = entry.kind === "directory" ? "/" : "";
  const time = new Date(Number(entry.mtimeNs / 1_000_000n));
  const when = Number.isNaN(time.getTime()) ? "-" : time.toISOString().slice(0, 16).replace("T", " ");
  const size = entry.kind === "file" ? String(entry.size) : "-";
  // "./" keeps a name like "a:b" from being read as a scheme.
  return `<a href="./${percentEncodeBytes(name)}${slash}">${escapeHtml(displayPath(name))}${slash}</a>  ${when}  ${size}\n`;
}

import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { contentIdOf, type ContentId } from "../core/content-id.ts";
import { repoPathBytes, type RepoPath } from "../core/repo-path.ts";
import type { Entry } from "../manifest/entry.ts";
import { ROW_KIND } from "./publish-index-schema.ts";

/** A row as node:sqlite gives it. */
export type Row = Record<string, SQLOutputValue>;

/** Columns that {@link entryOfRow} needs; `c` is the joined row of `contents`. */
export const ENTRY_COLUMNS =
  "path, kind, mode, mtime, e.size AS size, content, target, link, uid, gid, c.sha256 AS sha256";

export function byteStringOf(blob: SQLOutputValue | undefined): string {
  const bytes = blob as Uint8Array;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

export function pathOf(blob: SQLOutputValue | undefined): RepoPath {
  return byteStringOf(blob) as RepoPath;
}

export function contentOf(blob: SQLOutputValue | undefined): ContentId {
  return contentIdOf(blob as Uint8Array);
}

export function hexBlob(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

/** For an optional path or target. */
export function optionalBlob(text: string | undefined): SQLInputValue {
  return text === undefined ? null : repoPathBytes(text as RepoPath);
}

/** The manifest entry of a row with {@link ENTRY_COLUMNS}; rows are written by this program and trusted. */
export function entryOfRow(row: Row): Entry {
  const path = pathOf(row.path);
  const mtimeNs = BigInt(row.mtime as string);
  const mode = Number(row.mode);
  const owners = ownersOf(row);
  if (row.kind === ROW_KIND.directory) return { kind: "directory", path, mode, mtimeNs, ...owners };
  if (row.kind === ROW_KIND.symlink)
    return { kind: "symlink", path, mtimeNs, target: byteStringOf(row.target), ...owners };
  const [size, content] = [Number(row.size), contentOf(row.sha256)];
  const file = { kind: "file", path, mode, mtimeNs, size, content, ...owners } as const;
  return row.link === null ? file : { ...file, link: pathOf(row.link) };
}

function ownersOf({ uid, gid }: Row): Pick<Entry, "uid" | "gid"> {
  return uid === null || uid === undefined ? {} : { uid: Number(uid), gid: Number(gid) };
}

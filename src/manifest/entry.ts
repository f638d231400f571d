import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { JsonValue } from "../codec/canonical-json.ts";

interface EntryBase {
  readonly path: RepoPath;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  readonly uid?: number;
  readonly gid?: number;
  /** Name → value, base64. */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** Keys this program does not know, kept byte for byte, ascending. */
  readonly unknown?: readonly (readonly [string, JsonValue])[];
}

export interface FileEntry extends EntryBase {
  readonly kind: "file";
  /** Permission bits, 0…0o7777. */
  readonly mode: number;
  readonly size: number;
  readonly content: ContentId;
  /** First path of the hard-link group of which this is a later member. */
  readonly link?: RepoPath;
}

export interface DirectoryEntry extends EntryBase {
  readonly kind: "directory";
  readonly mode: number;
}

export interface SymlinkEntry extends EntryBase {
  readonly kind: "symlink";
  /** Where it points, a byte string (one unit per byte), never empty. */
  readonly target: string;
}

/** One path of a manifest (docs/protocol.md, "Manifest chunk"). */
export type Entry = FileEntry | DirectoryEntry | SymlinkEntry;

/** A path that two manifests say different things about; undefined on the side that lacks it. */
export interface EntryPair {
  readonly path: RepoPath;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

import type { ContentId } from "../core/content-id.ts";
import { baseNameOf, displayPath, parentOf, joinPath, type RepoPath } from "../core/repo-path.ts";

/** A file of the release and where customers get it. */
export interface DescribedFile {
  readonly path: RepoPath;
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly mtimeNs: bigint;
  /** Base URLs without a slash at the end, best first; central's own last. */
  readonly bases: readonly string[];
  /** Of OpenPGP in ASCII armour, detached; undefined if the release has none beside the file. */
  readonly signature?: string | undefined;
  readonly pieces?: DescribedPieces | undefined;
}

/** Hashes of parts of a file. */
export interface DescribedPieces {
  /** Bytes of each but the last. */
  readonly pieceLength: number;
  /** SHA-1 of each, 20 bytes. */
  readonly hashes: Uint8Array;
}

/** What the name of a detached signature has more than that of its file. */
export const SIGNATURE_ENDING = ".asc";

/** Endings under which central describes a file instead of sending it. */
export const DESCRIPTIONS = ["meta4", "metalink", "sha256", "mirrorlist"] as const;
export type DescriptionKind = (typeof DESCRIPTIONS)[number];

/** Whether its URLs name the path alone and not the content; whoever is asked so gives what its own release has there. */
export function isNamePlain(kind: DescriptionKind): boolean {
  return kind === "metalink" || kind === "mirrorlist";
}

/** Of a path that the release does not have: the file it may describe, and how. A real file of such a name was found before. */
export function describedPath(path: RepoPath): { readonly path: RepoPath; readonly kind: DescriptionKind } | undefined {
  const name = baseNameOf(path);
  const kind = DESCRIPTIONS.find((ending) => name.endsWith(`.${ending}`));
  const described = kind === undefined ? "" : name.slice(0, -kind.length - 1);
  if (kind === undefined || described === "" || described === "." || described === "..") return undefined;
  return { path: joinPath(parentOf(path), described), kind };
}

/** As `sha256sum` writes and checks it: one line, names with a backslash or a line break escaped. One unit per byte. */
export function renderSha256({ path, content }: DescribedFile): string {
  const name = baseNameOf(path);
  const escaped = name.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `${escaped === name ? "" : "\\"}${content}  ${escaped}\n`;
}

/** The last part of the path for people and XML, nothing in it that could do harm. */
export function shownName({ path }: DescribedFile): string {
  return displayPath(baseNameOf(path));
}

import type { BundleLayout } from "../core/bundle-layout.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { ContentTable } from "../manifest/content-table.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";
import type { Release } from "../manifest/release.ts";
import type { ContentPlace } from "../tracker/content-holders.ts";
import type { ReleaseBytes } from "../tracker/volatile-assignment.ts";

/** A content opened for reading. `read` gives undefined at once if the bytes on disk are no longer the content. */
export interface OpenContent extends AsyncDisposable {
  readonly lengthBytes: number;
  /**
   * Bytes [start, start + length) of the content.
   * @param memory of that length, where they may be put
   * @throws StoreError `content-changed` if they changed on disk meanwhile, `unpack-busy` for a content inside another one
   */
  read(start: number, length: number, memory?: Uint8Array): Promise<Uint8Array>;
}

/** A bundle as central seeds it. */
export interface PublishedBundle {
  readonly number: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly layout: BundleLayout;
  readonly contents: ContentTable;
}

/** A metadata bundle as central seeds it. */
export interface PublishedMetadata {
  readonly number: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly layout: BundleLayout;
  /** A file by its path in the bundle. */
  find(path: RepoPath): { readonly ordinal: number; readonly content: ContentId } | undefined;
  /** Undefined if it is no longer there; `read` gives fewer bytes than asked for if the file on disk is damaged. */
  open(ordinal: number): Promise<OpenContent | undefined>;
}

/** Files of one release by path, in memory. */
export interface FileTable {
  /** Its number. */
  readonly release: number;
  /** @param text ends with a path, which begins at `start`. Undefined says nothing: ask {@link PublishedTree.entry} then */
  find(text: string, start?: number): TabledFile | undefined;
}

/** What a redirect needs to know of a file. */
export interface TabledFile {
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly mtimeNs: bigint;
  readonly place: ContentPlace | undefined;
}

/**
 * What `serve` needs of the published repository. Reads only what publish committed: a publish in another process is
 * seen after {@link refresh}.
 */
export interface PublishedTree {
  /** Picks up a newer release if there is one; true if the current release changed. */
  refresh(): Promise<boolean>;
  /** The current release, undefined before the first publish. */
  readonly release: Release | undefined;
  /** Number of the release that look-ups by path show: a new one does at once, before {@link refresh}. 0: none. */
  readonly shownRelease: number;
  /** Exact look-up in the release that is shown. */
  entry(path: RepoPath): Entry | undefined;
  /** All files of the release that is shown; takes seconds, beside everything else. Undefined: there is none, or they are too many. */
  readFileTable(): Promise<FileTable | undefined>;
  /** The first file of the release in the order of content ids, from this one on: a random id draws a file. */
  fileFrom(content: ContentId): FileEntry | undefined;
  /**
   * Direct children of a directory ("" is not a path: undefined means the top), in byte order: the first `limit` after one of them
   * (undefined: from the beginning).
   */
  children(
    directory: RepoPath | undefined,
    part: { readonly after: RepoPath | undefined; readonly limit: number },
  ): readonly Entry[];
  /** Undefined if no retained copy with exactly these bytes is left. */
  openContent(content: ContentId): Promise<OpenContent | undefined>;
  /** All of a small content of a bundle at once. Undefined says nothing: ask {@link openContent} then. */
  readSmall(bundle: PublishedBundle, ordinal: number, lengthBytes: number): Uint8Array | undefined;
  /** Where a content of the release lies; undefined for one without bytes and one that is unknown. */
  placeOf(content: ContentId): ContentPlace | undefined;
  /** Bytes per piece of the bundle that a content of the release lies in; undefined if it lies in none. */
  pieceLengthOf(content: ContentId): number | undefined;
  /** SHA-1 of its pieces, 20 bytes each, the last with the padding behind it (BEP 3, BEP 47); undefined if it lies in no bundle. */
  pieceHashes(content: ContentId): Promise<{ readonly pieceLength: number; readonly hashes: Uint8Array } | undefined>;
  /** zstd frame of a manifest chunk, index, change list, bundle list or content table by the hash of its plain bytes. */
  object(sha256: string): Promise<Uint8Array | undefined>;
  /** Encoded similarity sketch. */
  sketch(content: ContentId): Promise<Uint8Array | undefined>;
  /** Encoded block signature. */
  signature(content: ContentId): Promise<Uint8Array | undefined>;
  /** Bencoded info dictionary of a bundle. */
  infoDictionary(infoHash: string): Promise<Uint8Array | undefined>;
  bundle(infoHash: string): Promise<PublishedBundle | undefined>;
  /** One of the newest three metadata bundles. */
  metadataBundle(infoHash: string): Promise<PublishedMetadata | undefined>;
  /** Numbers and info hashes of the bundles of the current release. */
  bundleNumbers(): ReadonlyMap<number, string>;
  /** Contents that its files have, by the release that brought them and by powers of two of their length; looks at each of them. */
  bytesByRelease(): readonly ReleaseBytes[];
  /** A file of the TUF metadata directory ("timestamp.json", "3.root.json", "targets/HEX.release.json"). */
  tufFile(name: string): Promise<Uint8Array | undefined>;
}

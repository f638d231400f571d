import { BundleLayout } from "../core/bundle-layout.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { decompressZstd } from "../codec/zstd.ts";
import { ContentTable, RECORD_BYTES } from "../manifest/content-table.ts";
import type { BundleRow } from "../manifest/bundle-list.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";
import type { MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import { parseRelease, type Release } from "../manifest/release.ts";
import { readFileIfExists } from "./durable-file.ts";
import { StoreError } from "./errors.ts";
import type { FileTable } from "./file-table.ts";
import { readFileTable } from "./file-table-reading.ts";
import { IndexedContents, type IndexedPlace } from "./publish-index-contents.ts";
import { type ChildrenPart, childrenLookup, entryLookup, fileFromLookup } from "./publish-index-entries.ts";
import { IndexedRecompressions } from "./publish-index-recompressions.ts";
import { IndexedMetadataBundles } from "./publish-index-metadata.ts";
import { IndexedReleases, type ReleaseBytes } from "./publish-index-release.ts";
import { PublishIndex } from "./publish-index.ts";
import { HashedFiles } from "./publish-objects.ts";
import { type IndexedPieces, PublishedPieces } from "./published-pieces.ts";
import { PublishedMetadataBundle } from "./published-metadata-bundle.ts";
import { ContentReader, type OpenedContent } from "./retained-contents-reader.ts";
import { RetainedContents } from "./retained-contents.ts";
import { type BundleContents, SmallCopies } from "./small-copies.ts";
import { SmallReads } from "./small-reads.ts";
import { UnpackedContents } from "./unpacked-contents.ts";

/** Where a published tree lies. */
export interface PublishedTreePlace {
  readonly treePath: string;
  readonly workDirectory: string;
  readonly stateDirectory: string;
}

/** A bundle as central seeds it. */
export interface IndexedBundle {
  readonly number: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly layout: BundleLayout;
  readonly contents: ContentTable;
}

/** Names under STATE/tuf that may be asked for: TUF's consistent snapshots and the one target. */
const TUF_NAME =
  /^(?:timestamp\.json|[1-9]\d{0,15}\.(?:root|snapshot|targets)\.json|targets\/[0-9a-f]{64}\.release\.json)$/;

/** The open index with what reads from it. */
interface OpenIndex {
  readonly index: PublishIndex;
  readonly releases: IndexedReleases;
  readonly metadataBundles: IndexedMetadataBundles;
  readonly contents: IndexedContents;
  readonly reader: ContentReader;
  readonly retained: RetainedContents;
  readonly smallReads: SmallReads;
  readonly smallCopies: WeakMap<BundleContents, SmallCopies>;
  readonly unpacked: UnpackedContents;
  readonly entry: (path: RepoPath) => Entry | undefined;
  readonly fileFrom: (content: ContentId) => FileEntry | undefined;
  readonly children: (directory: RepoPath | undefined, part?: ChildrenPart) => readonly Entry[];
}

/**
 * The published repository, read from what the publisher committed (the port `central/published-tree.ts`). Look-ups by
 * path show the newest committed release at once; `release` and the bundles move on with {@link refresh}.
 */
export class PublishedTreeReader implements Disposable {
  readonly #place: PublishedTreePlace;
  readonly #objects: HashedFiles;
  readonly #torrents: HashedFiles;
  readonly #metadata: HashedFiles;
  readonly #pieces: PublishedPieces;
  readonly #end = new AbortController();
  #open: OpenIndex | undefined;
  #release: Release | undefined;
  #bundleNumbers: ReadonlyMap<number, string> = new Map();

  private constructor(place: PublishedTreePlace) {
    this.#place = place;
    this.#objects = new HashedFiles(place.workDirectory, "objects");
    this.#torrents = new HashedFiles(place.workDirectory, "torrents");
    this.#metadata = new HashedFiles(place.workDirectory, "metadata");
    this.#pieces = new PublishedPieces({ objects: this.#objects, torrents: this.#torrents });
  }

  /** Works before the first publish too: there is no release then. @throws StoreError `index-too-new` */
  static async open(place: PublishedTreePlace): Promise<PublishedTreeReader> {
    const tree = new PublishedTreeReader(place);
    await tree.refresh();
    return tree;
  }

  get release(): Release | undefined {
    return this.#release;
  }

  /** Picks up a newer release if there is one; true if the current release changed. */
  async refresh(): Promise<boolean> {
    this.#reopenIfReplaced();
    this.#open ??= openIndex(this.#place);
    if (this.#open === undefined) return false;
    const { index, releases } = this.#open;
    const number = index.appliedRelease;
    if (number === 0 || number === this.#release?.number) return false;
    this.#release = parseRelease(releases.bytes(number)!);
    this.#bundleNumbers = new Map(releases.bundles(number).map((row) => [row.number, row.infoHash]));
    return true;
  }

  /** A rebuilt index is another file: the old one would never show anything new. */
  #reopenIfReplaced(): void {
    if (this.#open === undefined || this.#open.index.isInPlace()) return;
    this.#close();
  }

  /** Number of the release that look-ups by path show; 0 before the first. */
  get shownRelease(): number {
    return this.#open?.index.appliedRelease ?? 0;
  }

  entry(path: RepoPath): Entry | undefined {
    return this.#open?.entry(path);
  }

  /** All files of the shown release ({@link readFileTable}); it goes on beside everything else. */
  readFileTable(): Promise<FileTable | undefined> {
    return readFileTable(this.#place.workDirectory, this.#end.signal);
  }

  /** The first file of the release in the order of content ids, from this one on; one of its paths. */
  fileFrom(content: ContentId): FileEntry | undefined {
    return this.#open?.fileFrom(content);
  }

  /** Direct children, in byte order; undefined is the top. @param part left out: all of them */
  children(directory: RepoPath | undefined, part?: ChildrenPart): readonly Entry[] {
    return this.#open?.children(directory, part) ?? [];
  }

  /** Undefined if nothing with exactly these bytes is left, nor anything that unpacks to them. */
  async openContent(content: ContentId): Promise<OpenedContent | undefined> {
    return (await this.#open?.reader.open(content)) ?? (this.#open && openInner(content, this.#open.unpacked));
  }

  /**
   * All of a small content of a bundle at once (at most {@link SmallReads.MAX_BYTES}). Undefined says nothing: ask
   * {@link openContent} then.
   */
  readSmall(bundle: BundleContents, ordinal: number, lengthBytes: number): Uint8Array | undefined {
    if (this.#open === undefined || lengthBytes > SmallReads.MAX_BYTES) return undefined;
    let copies = this.#open.smallCopies.get(bundle);
    if (copies === undefined) this.#open.smallCopies.set(bundle, (copies = new SmallCopies(bundle, this.#open)));
    return copies.read(ordinal, lengthBytes);
  }

  /** Where a content of the release lies; undefined for one without bytes and one that is unknown. */
  placeOf(content: ContentId): IndexedPlace | undefined {
    return this.#open?.contents.place(content);
  }

  /** Bytes per piece of the bundle that a content of the release lies in; undefined if it lies in none. */
  pieceLengthOf(content: ContentId): number | undefined {
    const place = this.placeOf(content);
    return place && this.#bundleNumbered(place.bundle)?.pieceLength;
  }

  /** Of a content of the release; undefined if it lies in no bundle. */
  async pieceHashes(content: ContentId): Promise<IndexedPieces | undefined> {
    const place = this.placeOf(content);
    const bundle = place && this.#bundleNumbered(place.bundle);
    return bundle && this.#pieces.read(bundle, place.ordinal);
  }

  #bundleNumbered(number: number): BundleRow | undefined {
    const infoHash = this.#bundleNumbers.get(number);
    return infoHash === undefined ? undefined : this.#open?.releases.bundle(infoHash);
  }

  /** zstd frame by the SHA-256 of its plain bytes. */
  async object(sha256: string): Promise<Uint8Array | undefined> {
    const isKnown = /^[0-9a-f]{64}$/.test(sha256) && this.#open?.releases.hasObject(sha256) === true;
    return isKnown ? this.#objects.read(sha256) : undefined;
  }

  /** Encoded similarity sketch. */
  async sketch(content: ContentId): Promise<Uint8Array | undefined> {
    return this.#open?.contents.sketch(content);
  }

  /** Encoded block signature. */
  async signature(content: ContentId): Promise<Uint8Array | undefined> {
    return this.#open?.contents.signature(content);
  }

  /** Bencoded info dictionary of a bundle. */
  async infoDictionary(infoHash: string): Promise<Uint8Array | undefined> {
    const isKnown = this.#isBundle(infoHash) || this.#metadataRow(infoHash) !== undefined;
    return isKnown ? this.#torrents.read(infoHash) : undefined;
  }

  /** One of the newest three. */
  async metadataBundle(infoHash: string): Promise<PublishedMetadataBundle | undefined> {
    const row = this.#metadataRow(infoHash);
    const info = row === undefined ? undefined : await this.#torrents.read(infoHash);
    if (row === undefined || info === undefined) return undefined;
    return new PublishedMetadataBundle(row, info, { objects: this.#objects, metadata: this.#metadata });
  }

  #metadataRow(infoHash: string): MetadataBundleRow | undefined {
    return /^[0-9a-f]{40}$/.test(infoHash) ? this.#open?.metadataBundles.byInfoHash(infoHash) : undefined;
  }

  #isBundle(infoHash: string): boolean {
    return /^[0-9a-f]{40}$/.test(infoHash) && this.#open?.releases.bundle(infoHash) !== undefined;
  }

  async bundle(infoHash: string): Promise<IndexedBundle | undefined> {
    if (!this.#isBundle(infoHash)) return undefined;
    const row = this.#open!.releases.bundle(infoHash)!;
    const frame = await this.#objects.read(row.table.sha256);
    if (frame === undefined) return undefined;
    const contents = ContentTable.parse(decompressZstd(frame, row.contentCount * RECORD_BYTES));
    const layout = new BundleLayout(contents.lengths(), row.pieceLength);
    return { number: row.number, infoHash, layout, contents };
  }

  /** Numbers and info hashes of the bundles of the current release. */
  bundleNumbers(): ReadonlyMap<number, string> {
    return this.#bundleNumbers;
  }

  /** Contents that files of the release have, by the release that made their bundle and by powers of two of their length. */
  bytesByRelease(): readonly ReleaseBytes[] {
    return this.#open?.releases.bytesByRelease() ?? [];
  }

  /** A file of the TUF metadata, by the name under which it is served. */
  async tufFile(name: string): Promise<Uint8Array | undefined> {
    return TUF_NAME.test(name) ? readFileIfExists(`${this.#place.stateDirectory}/tuf/${name}`) : undefined;
  }

  #close(): void {
    void this.#open?.unpacked[Symbol.asyncDispose]();
    this.#open?.retained[Symbol.dispose]();
    this.#open?.index[Symbol.dispose]();
    this.#open = undefined;
  }

  [Symbol.dispose](): void {
    this.#end.abort();
    this.#close();
  }
}

function openIndex(place: PublishedTreePlace): OpenIndex | undefined {
  const index = PublishIndex.openForReading(place.workDirectory);
  if (index === undefined) return undefined;
  const retained = RetainedContents.open(place.workDirectory);
  const smallReads = new SmallReads();
  const reader = new ContentReader(index, { retained, treePath: place.treePath, smallReads });
  const recompressions = new IndexedRecompressions(index);
  return {
    index,
    retained,
    smallReads,
    smallCopies: new WeakMap(),
    releases: new IndexedReleases(index),
    metadataBundles: new IndexedMetadataBundles(index),
    contents: new IndexedContents(index),
    reader,
    unpacked: new UnpackedContents({
      directory: place.workDirectory,
      find: (inner) => recompressions.packedFor(inner),
      open: (packed) => reader.open(packed),
    }),
    entry: entryLookup(index),
    fileFrom: fileFromLookup(index),
    children: childrenLookup(index),
  };
}

/** A content that no file has but that a compressed one unpacks to. */
function openInner(content: ContentId, unpacked: UnpackedContents): OpenedContent | undefined {
  const lengthBytes = unpacked.lengthOf(content);
  if (lengthBytes === undefined) return undefined;
  return {
    lengthBytes,
    read: async (start, length) => {
      const bytes = await unpacked.read(content, start, length);
      if (bytes !== undefined) return bytes;
      throw new StoreError("content-changed", `nothing unpacks to content ${content} any more`);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

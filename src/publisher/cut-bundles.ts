import { contentIdOf } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { BundleLayout } from "../core/bundle-layout.ts";
import { compressZstd } from "../codec/zstd.ts";
import type { BundleKind } from "../manifest/bundle-list.ts";
import { cutBundles } from "../manifest/bundle-cut.ts";
import { encodeContentTable } from "../manifest/content-table.ts";
import { objectRefOf } from "../manifest/object-ref.ts";
import { buildInfoDictionary, infoHashOf, type TorrentFile } from "../manifest/torrent.ts";
import type { IndexedContents } from "../store/publish-index-contents.ts";
import type { NewBundle, UnplacedContent } from "../store/publish-index-release.ts";
import type { HashedFiles } from "../store/publish-objects.ts";
import { PublisherError } from "./errors.ts";

/** What cutting bundles needs. */
export interface BundleContext {
  readonly kind: BundleKind;
  readonly contents: IndexedContents;
  readonly objects: HashedFiles;
  readonly torrents: HashedFiles;
  /** Number of the release that is made. */
  readonly release: number;
  /** 32 hex digits. */
  readonly repositoryId: string;
  readonly pieceLength: number;
  readonly firstNumber: number;
}

interface UnplacedFile extends TorrentFile {
  readonly contentRow: number;
}

/**
 * Puts contents that lie in no bundle into new ones and writes info dictionaries and content tables; holds one bundle
 * at a time.
 */
export async function makeBundles(unplaced: Iterable<UnplacedContent>, context: BundleContext): Promise<NewBundle[]> {
  const bundles: NewBundle[] = [];
  for (const files of cutBundles(torrentFiles(unplaced), context.pieceLength)) {
    bundles.push(await makeBundle(files as UnplacedFile[], context.firstNumber + bundles.length, context));
  }
  return bundles;
}

function* torrentFiles(unplaced: Iterable<UnplacedContent>): Generator<UnplacedFile> {
  for (const { contentRow, sha256, lengthBytes, path } of unplaced) {
    const pathText = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString("latin1") as RepoPath;
    yield { contentRow, content: contentIdOf(sha256), lengthBytes, path: pathText };
  }
}

async function makeBundle(files: UnplacedFile[], number: number, context: BundleContext): Promise<NewBundle> {
  const { contents, kind, objects, pieceLength, release, repositoryId, torrents } = context;
  const name = `prsync-${repositoryId.slice(0, 8)}-${release}-${number}`;
  const pieceHashes = Buffer.concat(files.map((file) => piecesOf(contents, file)));
  const info = buildInfoDictionary({ name, pieceLength, files, pieceHashes });
  const table = encodeContentTable(files);
  const tableRef = objectRefOf(table);
  await torrents.write(infoHashOf(info), info);
  await objects.write(tableRef.sha256, compressZstd(table));
  const lengths = files.map((file) => file.lengthBytes);
  const row = {
    number,
    kind,
    infoHash: infoHashOf(info),
    lengthBytes: new BundleLayout(lengths, pieceLength).totalLengthBytes,
    pieceLength,
    contentCount: files.length,
    release,
    table: tableRef,
    name,
  };
  const dataBytes = lengths.reduce((sum, length) => sum + length, 0);
  return { row, contentRows: files.map((file) => file.contentRow), dataBytes };
}

function piecesOf(contents: IndexedContents, file: UnplacedFile): Uint8Array {
  const pieces = contents.pieces(file.contentRow);
  if (pieces !== undefined) return pieces;
  throw new PublisherError("publish-inconsistent", `content ${file.content} has no piece hashes in the index`);
}

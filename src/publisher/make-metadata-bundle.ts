import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { BundleLayout } from "../core/bundle-layout.ts";
import { contentIdOf, type ContentId } from "../core/content-id.ts";
import { repoPathFromText, type RepoPath } from "../core/repo-path.ts";
import { metadataPieceLength, objectFilePath, type MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import { buildInfoDictionary, infoHashOf, type TorrentFile } from "../manifest/torrent.ts";
import type { HashedFiles } from "../store/publish-objects.ts";
import { PublisherError } from "./errors.ts";
import { sha1Padded } from "./hash-file.ts";
import type { MetadataFileContext } from "./metadata-file.ts";
import { METADATA_FILE_PRODUCERS } from "./metadata-file-producers.ts";

/** What making a metadata bundle needs. */
export interface MetadataBundleContext extends MetadataFileContext {
  readonly objects: HashedFiles;
  readonly torrents: HashedFiles;
  /** Files of metadata bundles that are no objects. */
  readonly metadata: HashedFiles;
  /** 32 hex digits. */
  readonly repositoryId: string;
}

/** A new metadata bundle and the SHA-256 of its files apart from the objects. */
export interface MadeMetadataBundle {
  readonly row: MetadataBundleRow;
  readonly fileHashes: readonly string[];
}

/**
 * Writes the metadata bundle of a release: its files, where they are no objects, and its info dictionary.
 *
 * @param newObjects SHA-256 of the plain bytes of the objects that the release before lacked
 */
export async function makeMetadataBundle(
  context: MetadataBundleContext,
  number: number,
  newObjects: readonly string[],
): Promise<MadeMetadataBundle> {
  const { release, repositoryId, torrents } = context;
  const named = await writeNamedFiles(context);
  const sources = [...newObjects.map((sha256) => objectSource(context, sha256)), ...named];
  const lengths: number[] = [];
  for (const source of sources) lengths.push(await lengthOf(source));
  const pieceLength = metadataPieceLength(lengths);
  const files: TorrentFile[] = [];
  const pieceHashes: Buffer[] = [];
  for (const [ordinal, source] of sources.entries()) {
    const lengthBytes = lengths[ordinal]!;
    const { content, pieces } = await hashFile(source, lengthBytes, pieceLength);
    files.push({ path: source.path, content, lengthBytes });
    pieceHashes.push(...pieces);
  }
  const name = `prsync-${repositoryId.slice(0, 8)}-${release}-metadata`;
  const info = buildInfoDictionary({ name, pieceLength, files, pieceHashes: Buffer.concat(pieceHashes) });
  const infoHash = infoHashOf(info);
  await torrents.write(infoHash, info);
  const { totalLengthBytes } = new BundleLayout(lengths, pieceLength);
  return {
    row: { number, infoHash, lengthBytes: totalLengthBytes, pieceLength, release },
    fileHashes: named.map(({ name: sha256 }) => sha256),
  };
}

/** A file of the bundle and where it lies. */
interface SourceFile {
  readonly path: RepoPath;
  readonly folder: HashedFiles;
  /** In `folder`. */
  readonly name: string;
}

function objectSource({ objects }: MetadataBundleContext, sha256: string): SourceFile {
  return { path: objectFilePath(sha256), folder: objects, name: sha256 };
}

async function writeNamedFiles(context: MetadataBundleContext): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const { name, parts } of METADATA_FILE_PRODUCERS) {
    const whole = createHash("sha256");
    let content: ContentId | undefined;
    let lengthBytes = 0;
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const part of parts(context)) {
        whole.update(part);
        lengthBytes += part.length;
        yield part;
      }
    };
    await context.metadata.writeParts(counted(), () => {
      content = lengthBytes === 0 ? undefined : contentIdOf(whole.digest());
      return content;
    });
    if (content !== undefined) files.push({ path: repoPathFromText(name), folder: context.metadata, name: content });
  }
  return files;
}

async function lengthOf(source: SourceFile): Promise<number> {
  await using handle = await openSource(source);
  return (await handle.stat()).size;
}

async function openSource({ folder, name, path }: SourceFile): Promise<FileHandle> {
  const handle = await folder.open(name);
  if (handle !== undefined) return handle;
  throw new PublisherError("publish-inconsistent", `file "${path}" of the metadata bundle is gone`);
}

/** @returns its SHA-256 and the SHA-1 of each piece, the last one padded with zeros */
async function hashFile(
  source: SourceFile,
  lengthBytes: number,
  pieceLength: number,
): Promise<{ readonly content: ContentId; readonly pieces: readonly Buffer[] }> {
  await using handle = await openSource(source);
  const whole = createHash("sha256");
  const pieces: Buffer[] = [];
  const piece = Buffer.allocUnsafe(pieceLength);
  for (let offset = 0; offset < lengthBytes; offset += pieceLength) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(pieceLength, lengthBytes - offset), offset);
    const bytes = piece.subarray(0, bytesRead);
    whole.update(bytes);
    pieces.push(sha1Padded(bytes, pieceLength));
  }
  return { content: contentIdOf(whole.digest()), pieces };
}

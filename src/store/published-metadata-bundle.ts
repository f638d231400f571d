import { BundleLayout } from "../core/bundle-layout.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { objectOfFilePath, type MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import { parseInfoDictionary, type TorrentFile } from "../manifest/torrent.ts";
import type { HashedFiles } from "./publish-objects.ts";

/** A file of a metadata bundle opened for reading. */
export interface OpenedMetadataFile extends AsyncDisposable {
  readonly lengthBytes: number;
  /** Bytes [start, start + length), fewer if the file on disk is shorter than it was. */
  read(start: number, length: number): Promise<Uint8Array>;
}

/** Where central keeps the files of metadata bundles. */
export interface MetadataFolders {
  readonly objects: HashedFiles;
  readonly metadata: HashedFiles;
}

/** A metadata bundle as central serves it: objects from where all releases find them, the other files from their own folder. */
export class PublishedMetadataBundle {
  readonly number: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly layout: BundleLayout;
  /** In bundle order. */
  readonly files: readonly TorrentFile[];
  readonly #folders: MetadataFolders;

  /** @throws ManifestError `bad-torrent` */
  constructor(row: MetadataBundleRow, info: Uint8Array, folders: MetadataFolders) {
    const { files, pieceLength } = parseInfoDictionary(info);
    this.number = row.number;
    this.infoHash = row.infoHash;
    this.files = files;
    const lengths = files.map(({ lengthBytes }) => lengthBytes);
    this.layout = new BundleLayout(lengths, pieceLength);
    this.#folders = folders;
  }

  /** SHA-256 and ordinal of a file by its path in the bundle. */
  find(path: RepoPath): { readonly ordinal: number; readonly content: ContentId } | undefined {
    const ordinal = this.files.findIndex((file) => file.path === path);
    return ordinal < 0 ? undefined : { ordinal, content: this.files[ordinal]!.content };
  }

  /** Undefined if it is no longer there. */
  async open(ordinal: number): Promise<OpenedMetadataFile | undefined> {
    const { path, content, lengthBytes } = this.files[ordinal]!;
    const object = objectOfFilePath(path);
    const { objects, metadata } = this.#folders;
    const handle = object === undefined ? await metadata.open(content) : await objects.open(object);
    if (handle === undefined) return undefined;
    return {
      lengthBytes,
      read: async (start, length) => {
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, start);
        return buffer.subarray(0, bytesRead);
      },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  }
}

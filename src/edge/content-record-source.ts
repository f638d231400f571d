import type { ByteRange } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";
import { repoPathFromText } from "../core/repo-path.ts";
import { findRecords, RECORDS_HEADER_BYTES, recordsIndexLength } from "../manifest/content-records.ts";
import type { MetadataFileName } from "../manifest/metadata-bundle.ts";
import type { BundleCatalog } from "./bundle-catalog.ts";
import type { MetadataBundle, MetadataRange } from "./metadata-bundle.ts";
import type { ReleaseMetadata } from "./release-metadata.ts";

/** Reads one record; undefined if it is there no more. */
export type ReadRecord = () => Promise<Uint8Array | undefined>;

/** Records of contents (signatures, sketches) in the metadata bundles of the releases that brought the contents. */
export class ContentRecordSource {
  readonly #metadata: ReleaseMetadata;
  readonly #catalog: BundleCatalog;

  constructor(metadata: ReleaseMetadata, catalog: BundleCatalog) {
    this.#metadata = metadata;
    this.#catalog = catalog;
  }

  /** Release whose bundle has the record of a content. */
  releaseOf(content: ContentId): number | undefined {
    const place = this.#catalog.placeOf(content);
    return place === undefined ? undefined : this.#catalog.row(place.bundle)?.release;
  }

  /**
   * Fetches records from the swarm. Contents without one are left out, all of them if the release's bundle is gone.
   * @throws ManifestError `bad-records` for an index that lies; SyncError, NetError; the signal's reason
   */
  async fetch(
    from: { readonly release: number; readonly name: MetadataFileName; readonly signal: AbortSignal },
    contents: Iterable<ContentId>,
  ): Promise<Map<ContentId, ReadRecord>> {
    const bundle = await this.#metadata.ofRelease(from.release, from.signal);
    if (bundle === undefined) return new Map();
    const ranges = await fetchRecords(this.#metadata, { ...from, bundle }, new Set(contents));
    return new Map(Array.from(ranges, ([content, range]) => [content, () => bundle.read(range)]));
  }
}

/**
 * Where to read the records of some contents in one file of a metadata bundle, once they are here: first its index is fetched, then the
 * pieces that hold them.
 * @throws ManifestError `bad-records` for an index that lies; what {@link ReleaseMetadata.fetch} throws
 */
export async function fetchRecords(
  metadata: ReleaseMetadata,
  from: { readonly bundle: MetadataBundle; readonly name: MetadataFileName; readonly signal: AbortSignal },
  wanted: ReadonlySet<ContentId>,
): Promise<Map<ContentId, MetadataRange>> {
  const { bundle, name, signal } = from;
  const file = bundle.find(repoPathFromText(name));
  if (file === undefined) return new Map();
  const { ordinal, lengthBytes } = file;
  const rangeOf = ({ start, end }: ByteRange): MetadataRange => ({ ordinal, start, end });
  const need = async (range: ByteRange): Promise<Uint8Array> => {
    await metadata.fetch(bundle, [rangeOf(range)], signal);
    return (await bundle.read(rangeOf(range)))!;
  };
  const header = await need({ start: 0, end: Math.min(lengthBytes, RECORDS_HEADER_BYTES) });
  const index = await need({ start: 0, end: recordsIndexLength(header, lengthBytes) });
  const found = new Map<ContentId, MetadataRange>();
  for (const [content, range] of findRecords(index, lengthBytes, wanted)) found.set(content, rangeOf(range));
  await metadata.fetch(bundle, [...found.values()], signal);
  return found;
}

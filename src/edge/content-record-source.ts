import type { ByteRange } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";
import { repoPathFromText } from "../core/repo-path.ts";
import { findRecords, RECORDS_HEADER_BYTES, recordsIndexLength } from "../manifest/content-records.ts";
import type { MetadataFileName } from "../manifest/metadata-bundle.ts";
import type { MetadataBundle, MetadataRange } from "./metadata-bundle.ts";
import type { ReleaseMetadata } from "./release-metadata.ts";

/**
 * Records of some contents out of one file of a metadata bundle (signatures, sketches), fetched from the swarm: first the
 * index, then the pieces that hold what is wanted.
 *
 * @returns where to read each record; contents without one are left out
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

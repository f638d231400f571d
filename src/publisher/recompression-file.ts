import { METADATA_FILES } from "../manifest/metadata-bundle.ts";
import { IndexedRecompressions } from "../store/publish-index-recompressions.ts";
import { type MetadataFileContext, type MetadataFileProducer, newContentRows } from "./metadata-file.ts";

/** How the new compressed contents are made again from their inner ones. */
export const recompressionFile: MetadataFileProducer = {
  name: METADATA_FILES.recompression,
  parts: linesOf,
};

function* linesOf(context: MetadataFileContext): Generator<Uint8Array> {
  const recompressions = new IndexedRecompressions(context.index);
  for (const row of newContentRows(context)) {
    const line = recompressions.lineOf(row);
    if (line !== undefined) yield Buffer.from(`${line}\n`);
  }
}

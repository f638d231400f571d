import { METADATA_FILES } from "../manifest/metadata-bundle.ts";
import { contentRecordParts, type MetadataFileProducer } from "./metadata-file.ts";

/** The similarity sketches of all new contents that have one. */
export const sketchFile: MetadataFileProducer = {
  name: METADATA_FILES.sketches,
  parts: (context) =>
    contentRecordParts(
      context,
      (row) => context.contents.sketchOfRow(row)?.length ?? 0,
      (row) => context.contents.sketchOfRow(row)!,
    ),
};

import { METADATA_FILES } from "../manifest/metadata-bundle.ts";
import { contentRecordParts, type MetadataFileProducer } from "./metadata-file.ts";

/** The block signatures of all new contents that have one. */
export const signatureFile: MetadataFileProducer = {
  name: METADATA_FILES.signatures,
  parts: (context) =>
    contentRecordParts(
      context,
      (row) => context.contents.signatureLength(row),
      (row) => context.contents.signatureOfRow(row)!,
    ),
};

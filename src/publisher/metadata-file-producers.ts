import type { MetadataFileProducer } from "./metadata-file.ts";
import { recompressionFile } from "./recompression-file.ts";
import { signatureFile } from "./signature-file.ts";
import { sketchFile } from "./sketch-file.ts";

/**
 * Every file of a metadata bundle besides the objects. A further one is one more line here and a name in
 * manifest/metadata-bundle.ts.
 */
export const METADATA_FILE_PRODUCERS: readonly MetadataFileProducer[] = [signatureFile, sketchFile, recompressionFile];

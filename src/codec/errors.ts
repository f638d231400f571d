import { PrsyncError } from "../core/errors.ts";

export type CodecErrorCode = "bad-bencode" | "bad-json" | "bad-zstd" | "bad-gzip" | "gzip-too-long";

/** Bytes that are not what their format says. */
export class CodecError extends PrsyncError<CodecErrorCode> {}

import { CodecError } from "../codec/errors.ts";
import { CoreError, PrsyncError } from "../core/errors.ts";

export type ManifestErrorCode =
  | "bad-entry"
  | "bad-chunk"
  | "bad-index"
  | "bad-change-list"
  | "bad-release"
  | "bad-bundle-list"
  | "bad-content-table"
  | "bad-records"
  | "bad-torrent"
  | "bad-recompression"
  | "bad-groups"
  | "bad-order"
  | "path-conflict"
  | "change-mismatch"
  | "hash-mismatch"
  | "unknown-requirement";

/** A manifest, release, bundle list or torrent that is not what it claims to be. */
export class ManifestError extends PrsyncError<ManifestErrorCode> {}

/**
 * Runs a reader and turns what core/ and codec/ refuse into a {@link ManifestError} about `thing`.
 *
 * @throws ManifestError `code`
 */
export function refusing<T>(code: ManifestErrorCode, thing: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof CoreError)) throw cause;
    throw new ManifestError(code, `${thing}: ${cause.message}`, { cause });
  }
}

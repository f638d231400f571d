import { PrsyncError } from "../core/errors.ts";

export type SyncErrorCode =
  | "central-refused"
  | "wrong-bytes"
  | "manifest-mismatch"
  | "content-unavailable"
  | "search-failed"
  | "not-enrolled"
  | "other-repository"
  | "already-enrolled"
  | "bad-ticket"
  | "bad-selection"
  | "quota-too-small"
  | "revoked"
  | "stopping";

/** Why a mirror could not do what was asked; the mirror keeps what it has. */
export class SyncError extends PrsyncError<SyncErrorCode> {}

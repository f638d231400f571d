import { PrsyncError } from "../core/errors.ts";

export type PublisherErrorCode =
  "tree-unusable" | "work-directory-unusable" | "publish-running" | "publish-inconsistent" | "hash-worker-failed";

/** Why a publish could not be made; nothing was released then. */
export class PublisherError extends PrsyncError<PublisherErrorCode> {}

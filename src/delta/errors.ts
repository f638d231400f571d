import { PrsyncError } from "../core/errors.ts";

export type DeltaErrorCode =
  "bad-signature" | "bad-sketch" | "unknown-signature" | "bad-block-length" | "signed-length-differs";

/** A block signature that is not what it claims to be, or can't be made. Whoever syncs fetches the content whole then. */
export class DeltaError extends PrsyncError<DeltaErrorCode> {}

import { PrsyncError } from "../core/errors.ts";

export type FilterErrorCode = "bad-rule";

/** A filter rule that can't be understood; the message names the rule and, if it came from one, the file. */
export class FilterError extends PrsyncError<FilterErrorCode> {}

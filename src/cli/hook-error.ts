import { PrsyncError } from "../core/errors.ts";

/** A command of the admin's, run before or after a sync, did not end in 0. */
export class HookError extends PrsyncError<"hook-failed"> {}

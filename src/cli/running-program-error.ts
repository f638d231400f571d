import { PrsyncError } from "../core/errors.ts";

/** A running program refused or failed; `code` is that of its error, as docs/errors.md lists it. */
export class RunningProgramError extends PrsyncError {}

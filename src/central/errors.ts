import { PrsyncError } from "../core/errors.ts";

export type CentralErrorCode = "bad-audit-address" | "bad-command" | "serve-running";

/** `serve` can't run, or was asked for something that makes no sense. */
export class CentralError extends PrsyncError<CentralErrorCode> {}

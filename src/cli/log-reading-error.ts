import { PrsyncError } from "../core/errors.ts";

/** The thread that reads logs died. */
export class LogReadingError extends PrsyncError<"log-thread-failed"> {}

/**
 * Base of every failure PRsync throws on purpose. `message` says what was expected, what came and which thing;
 * `code` is stable and documented in docs/errors.md. Expected outcomes are return values, bugs are asserts.
 */
export abstract class PrsyncError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

export type CoreErrorCode = "bad-path" | "bad-content-id" | "bad-range" | "bad-time" | "bad-layout" | "bad-size";

/** A value of core/ that came from outside and is not what it claims to be. */
export class CoreError extends PrsyncError<CoreErrorCode> {}

/** True if `error` is a system error of Node with this `code` ("ENOENT", "EEXIST", …). */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

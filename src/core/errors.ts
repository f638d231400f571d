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

/**
 * Errors of Linux' file systems that libuv has no name for. Node's `code` for them is "UNKNOWN" (synchronous calls) or "Unknown
 * system error -122" (all others); `errno` alone tells them apart (include/uapi/asm-generic/errno.h).
 */
const UNNAMED_ERRORS: ReadonlyMap<number, { readonly code: string; readonly text: string }> = new Map([
  [-67, { code: "ENOLINK", text: "link has been severed" }],
  [-74, { code: "EBADMSG", text: "checksum of the file system is wrong" }],
  [-116, { code: "ESTALE", text: "stale file handle" }],
  [-117, { code: "EUCLEAN", text: "structure needs cleaning" }],
  [-122, { code: "EDQUOT", text: "disk quota exceeded" }],
  [-123, { code: "ENOMEDIUM", text: "no medium found" }],
]);
/** What Node says in place of a name and a text, at the beginning of a message. */
const NODES_WORDS = /^UNKNOWN: unknown error|^Unknown system error -\d+: Unknown system error -\d+/;

/** What the kernel says of a disk, a line to it or a file system that fails, whichever file was meant. */
export const DISK_FAILURES: readonly string[] = ["EIO", "EREMOTEIO", "ENOLINK", "ENOMEDIUM", "EUCLEAN", "EBADMSG"];

/** True if `error` is a system error of Node with one of these codes ("ENOENT", "EDQUOT", …), those included that Node can't name. */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  const code = systemErrorCode(error);
  return code !== undefined && codes.includes(code);
}

/** "ENOENT", "EDQUOT", …; undefined for an error without a code. */
export function systemErrorCode(error: unknown): string | undefined {
  const unnamed = unnamedError(error);
  if (unnamed !== undefined) return unnamed.code;
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const unnamed = unnamedError(error);
  return unnamed === undefined ? error.message : error.message.replace(NODES_WORDS, `${unnamed.code}: ${unnamed.text}`);
}

function unnamedError(error: unknown): { readonly code: string; readonly text: string } | undefined {
  if (!(error instanceof Error) || !("errno" in error)) return undefined;
  return UNNAMED_ERRORS.get(Number(error.errno));
}

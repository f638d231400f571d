import { messageOf } from "../core/errors.ts";
import { TrustError, type TrustErrorCode } from "./errors.ts";

/** tuf-js hides the class of what it caught inside a text, so the text decides. In this order. */
const CODES: readonly (readonly [RegExp, TrustErrorCode])[] = [
  [/is expired/, "expired"],
  [/was signed by \d+\/\d+ keys|multiple signatures found/, "bad-signature"],
  [/is less than current version|Missing file .* in new snapshot/, "rollback"],
  [/Expected (?:hash|length)|doesn't match|does not match|Expected version/, "inconsistent"],
];

/** What tuf-js refused, with its reason. */
export function trustErrorOf(error: unknown): TrustError {
  if (error instanceof TrustError) return error;
  const reason = messageOf(error).replace(/^Unable to load (\w+) (?:metadata )?error Error: /, "$1 metadata: ");
  const code = CODES.find(([pattern]) => pattern.test(reason))?.[1] ?? "malformed";
  return new TrustError(code, `central's metadata is refused: ${reason}`, { cause: error });
}

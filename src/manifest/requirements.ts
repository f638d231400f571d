import { ManifestError } from "./errors.ts";
import type { FieldReader } from "./field-reader.ts";

/** Names in `requires` that this program knows. Version 1 of the protocol has none. */
const KNOWN_REQUIREMENTS: ReadonlySet<string> = new Set<string>();

/**
 * Reads `requires` and `format` (1) and nothing else: a document for newer readers may look different in the rest.
 *
 * @throws ManifestError `unknown-requirement` with what this program does not know; the reader's code if malformed
 */
export function readRequirements(reader: FieldReader, thing: string): readonly string[] {
  const requires = reader.texts("requires");
  const missing = requires.find((name) => !KNOWN_REQUIREMENTS.has(name));
  if (missing !== undefined) refuse(thing, JSON.stringify(missing.slice(0, 80)));
  const format = reader.integer("format", 1);
  if (format !== 1) refuse(thing, `format ${format}`);
  return requires;
}

function refuse(thing: string, need: string): never {
  const advice = "which this version of prsync does not know: install a newer one";
  throw new ManifestError("unknown-requirement", `${thing} needs ${need}, ${advice}`);
}

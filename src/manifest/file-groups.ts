import { percentDecodeBytes } from "../codec/percent-encoding.ts";
import { CoreError } from "../core/errors.ts";
import { repoPathFromByteString, type RepoPath } from "../core/repo-path.ts";
import { ManifestError } from "./errors.ts";

/** Files that belong together: paths below the tree, byte strings, as they were named; one may be in no tree. */
export type FileGroup = readonly RepoPath[];

/**
 * `{"format":1,"groups":[{"files":["/pool/a%2Bb_1.deb",…]},…]}` with paths as URLs have them (docs/admin-guide.md). Names that can't be
 * of a file are left out: whoever asks a server writes into its log what they like.
 */
export function encodeFileGroups(groups: readonly { readonly files: readonly string[] }[]): string {
  const named = groups
    .map(({ files }) => ({ files: files.filter((name) => pathOf(name) !== undefined) }))
    .filter(({ files }) => files.length > 0);
  return `${JSON.stringify({ format: 1, groups: named }, undefined, 1)}\n`;
}

/**
 * Reads what {@link encodeFileGroups} wrote, and what `prsync analyze --json` prints. Unknown keys are passed over, and names that
 * can't be of a file: "/", a directory, a broken escape.
 * @throws ManifestError `bad-groups` if the shape is another
 */
export function parseFileGroups(text: string): FileGroup[] {
  const document = parseJson(text);
  const { groups, format } = isObject(document) ? document : {};
  if (format !== undefined && format !== 1) throw bad(`expected format 1, got ${JSON.stringify(format)}`);
  // The report of analyze has them one level deeper.
  const list = isObject(groups) ? groups["groups"] : groups;
  if (!Array.isArray(list)) throw bad(`expected an object with a list "groups"`);
  return list.map((group: unknown, index) => {
    const files: unknown = isObject(group) ? group["files"] : undefined;
    if (!Array.isArray(files)) throw bad(`expected a list "files" in group ${index + 1}`);
    return files.map((file) => pathOf(stringOf(file, index))).filter((path) => path !== undefined);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ManifestError("bad-groups", `expected groups of files as JSON, got other text`, { cause });
  }
}

function stringOf(file: unknown, group: number): string {
  if (typeof file === "string") return file;
  throw bad(`expected paths of files as strings in group ${group + 1}, got ${JSON.stringify(file)}`);
}

function pathOf(name: string): RepoPath | undefined {
  const bytes = percentDecodeBytes(name);
  if (bytes === undefined) return undefined;
  try {
    return repoPathFromByteString(bytes.replace(/\/{2,}/g, "/").replace(/^\//, ""));
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(message: string): ManifestError {
  return new ManifestError("bad-groups", message);
}

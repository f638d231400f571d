import { hash } from "node:crypto";
import fc from "fast-check";
import type { JsonValue, UnknownFields } from "../../../src/codec/canonical-json.ts";
import { EMPTY_CONTENT, parseContentId, type ContentId } from "../../../src/core/content-id.ts";
import { isReserved, repoPathFromByteString, type RepoPath } from "../../../src/core/repo-path.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { ManifestError } from "../../../src/manifest/errors.ts";

/** Code of the ManifestError that `run` throws, "none" if it does not; any other error passes through. */
export function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ManifestError) return error.code;
    throw error;
  }
  return "none";
}

export function path(text: string): RepoPath {
  return repoPathFromByteString(Buffer.from(text, "utf8").toString("latin1"));
}

export function contentOf(text: string): ContentId {
  return parseContentId(hash("sha256", text, "hex"));
}

/** A plain file whose content follows from `version`. */
export function file(name: string, version: number = 0): Entry {
  const content = contentOf(`${name} ${version}`);
  return { kind: "file", path: path(name), mode: 0o644, mtimeNs: BigInt(version), size: 1, content };
}

const namesOfObject = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "7", "10"];
/** One byte per unit, so mostly no UTF-8; few letters, so that paths often stand near each other. */
const part = fc
  .oneof(
    fc.constantFrom("a", "b", "a-b", "a.b", "a0", ...namesOfObject, "grün", "%FF", "😀", ".pad"),
    fc.string({
      unit: fc.integer({ min: 1, max: 255 }).map((unit) => String.fromCharCode(unit)),
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map((text) =>
    Buffer.from(text, /[^\0-\xff]/.test(text) ? "utf8" : "latin1")
      .toString("latin1")
      .replaceAll("/", "_"),
  )
  .filter((text) => text !== "." && text !== "..");

export const anyPath: fc.Arbitrary<RepoPath> = fc
  .array(part, { minLength: 1, maxLength: 4 })
  .map((parts) => repoPathFromByteString(parts.join("/")))
  .filter((candidate) => !isReserved(candidate));

const known = new Set(
  "path pathBase64 kind mode mtime size content target targetBase64 link linkBase64 uid gid xattrs added removed absent".split(
    " ",
  ),
);

const unknownValue: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.string(),
  fc.maxSafeInteger().map((value) => value + 0),
  fc.boolean(),
  fc.constant(null),
  fc.constant([1, ["a", { __proto__: null, constructor: 1 }]]),
  fc.constant(JSON.parse('{"b":{},"a":[],"__proto__":2}') as JsonValue),
);

export const anyUnknown: fc.Arbitrary<UnknownFields> = fc
  .uniqueArray(
    fc.tuple(
      fc.oneof(fc.constantFrom("future", "z", ...namesOfObject), fc.string()).filter((key) => !known.has(key)),
      unknownValue,
    ),
    { minLength: 1, maxLength: 3, selector: ([key]) => key },
  )
  .map((fields) => fields.sort(([a], [b]) => (a < b ? -1 : 1)));

const anyXattrs = fc
  .uniqueArray(fc.tuple(fc.constantFrom("user.a", ...namesOfObject), fc.uint8Array({ maxLength: 5 })), {
    minLength: 1,
    maxLength: 3,
    selector: ([name]) => name,
  })
  .map((pairs) => {
    const xattrs = Object.create(null) as Record<string, string>;
    for (const [name, value] of pairs) xattrs[name] = Buffer.from(value).toString("base64");
    return xattrs;
  });

const common = {
  path: anyPath,
  mtimeNs: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 19n }),
};
const optional = { uid: fc.nat(), gid: fc.nat(), xattrs: anyXattrs, unknown: anyUnknown };
const sometimes = fc.record(optional, { requiredKeys: [] });
const mode = fc.integer({ min: 0, max: 0o7777 });
const size = fc.oneof(fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER), fc.nat());

const anyFile: fc.Arbitrary<Entry> = fc
  .tuple(fc.record({ ...common, mode, size }), sometimes, fc.nat(), fc.option(anyPath))
  .map(([base, more, seed, link]) => ({
    kind: "file",
    ...base,
    ...more,
    content: base.size === 0 ? EMPTY_CONTENT : contentOf(String(seed)),
    ...(link !== null && link < base.path && { link }),
  }));
const anyDirectory: fc.Arbitrary<Entry> = fc
  .tuple(fc.record({ ...common, mode }), sometimes)
  .map(([base, more]) => ({ kind: "directory", ...base, ...more }));
const anySymlink: fc.Arbitrary<Entry> = fc
  .tuple(fc.record({ ...common, target: anyPath.map((target) => `../${target}`) }), sometimes)
  .map(([base, more]) => ({ kind: "symlink", ...base, ...more }));

export const anyEntry: fc.Arbitrary<Entry> = fc.oneof(anyFile, anyDirectory, anySymlink);

/** Sorted, each path once; files may stand below files. */
export const anyEntries: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(anyEntry, { maxLength: 30, selector: (entry) => entry.path })
  .map((entries) => sortedByPath(entries));

export function sortedByPath(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
}

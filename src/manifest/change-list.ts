import { encodeCanonicalObject, jsonText, joinJsonLines, parseCanonicalObject } from "../codec/canonical-json.ts";
import { requireSameLine, splitJsonLines, type UnknownFields } from "../codec/canonical-json.ts";
import { displayPath } from "../core/repo-path.ts";
import { checkAscending, encodeBundleRow, readBundleRow, type BundleRow } from "./bundle-list.ts";
import { ManifestError, refusing } from "./errors.ts";
import { FieldReader } from "./field-reader.ts";
import { encodePathChange, parsePathChange, type PathChange } from "./path-change.ts";
import { readRequirements } from "./requirements.ts";

/** What a release changed (docs/protocol.md, "Change list"). */
export interface ChangeList {
  /** Number of the release before. */
  readonly from: number;
  readonly to: number;
  readonly requires: readonly string[];
  /** Ascending by number. */
  readonly bundlesAdded: readonly BundleRow[];
  /** Numbers, ascending. */
  readonly bundlesRetired: readonly number[];
  /** In path order, one per path. */
  readonly changes: readonly PathChange[];
  /** Of the first line. */
  readonly unknown?: UnknownFields;
}

/** Uncompressed bytes of the list. */
export function encodeChangeList(list: ChangeList): Uint8Array {
  return joinJsonLines(encodeLines(list));
}

function* encodeLines(list: ChangeList): Generator<string> {
  yield encodeHead(list);
  for (const change of list.changes) yield encodePathChange(change);
}

function encodeHead(head: Omit<ChangeList, "changes">): string {
  const { requires, bundlesAdded, bundlesRetired } = head;
  return encodeCanonicalObject(
    [
      ["format", "1"],
      ["from", jsonText(head.from)],
      ["to", jsonText(head.to)],
      ["requires", requires.length === 0 ? undefined : jsonText(requires)],
      ["bundlesAdded", bundlesAdded.length === 0 ? undefined : `[${bundlesAdded.map(encodeBundleRow).join(",")}]`],
      ["bundlesRetired", bundlesRetired.length === 0 ? undefined : jsonText(bundlesRetired)],
    ],
    head.unknown,
  );
}

/**
 * @throws ManifestError `bad-change-list`, `bad-entry`; `bad-order` unless paths and numbers ascend;
 * `unknown-requirement`
 */
export function parseChangeList(bytes: Uint8Array): ChangeList {
  return refusing("bad-change-list", "change list", () => {
    const lines = splitJsonLines(bytes);
    const first = lines.next();
    if (first.done === true) throw new ManifestError("bad-change-list", "change list: expected a first line, got none");
    const head = parseHead(first.value);
    const changes: PathChange[] = [];
    for (const line of lines) {
      const change = parsePathChange(line);
      const last = changes.at(-1)?.path;
      if (last !== undefined && change.path <= last) {
        throw new ManifestError("bad-order", `change list: "${displayPath(change.path)}" is not in path order`);
      }
      changes.push(change);
    }
    return { ...head, changes };
  });
}

function parseHead(line: string): Omit<ChangeList, "changes"> {
  const reader = new FieldReader(parseCanonicalObject(line), "bad-change-list", "change list");
  const requires = readRequirements(reader, "change list");
  const from = reader.integer("from", 1);
  const head = {
    from,
    to: reader.integer("to", from + 1),
    requires,
    bundlesAdded: reader.objects("bundlesAdded").map(readBundleRow),
    bundlesRetired: reader.integers("bundlesRetired"),
    ...reader.unknown(),
  };
  checkAscending(head.bundlesAdded.map((row) => row.number));
  checkAscending(head.bundlesRetired);
  requireSameLine(line, encodeHead(head));
  return head;
}

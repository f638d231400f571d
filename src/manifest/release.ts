import { encodeCanonicalObject, jsonText, joinJsonLines, parseCanonicalObject } from "../codec/canonical-json.ts";
import { requireSameLine, splitJsonLines, type UnknownFields } from "../codec/canonical-json.ts";
import { assertPieceLength } from "../core/bundle-layout.ts";
import { formatMtime, parseMtime } from "../core/time.ts";
import { ManifestError, refusing } from "./errors.ts";
import { FieldReader } from "./field-reader.ts";
import {
  encodeMetadataRow,
  LISTED_METADATA_BUNDLES,
  readMetadataRow,
  type MetadataBundleRow,
} from "./metadata-bundle.ts";
import { encodeObjectRef, readObjectRef, type ObjectRef } from "./object-ref.ts";
import { readRequirements } from "./requirements.ts";

export const MAX_RELEASE_BYTES: number = 64 * 1024;
/** Change lists a release names. */
export const MAX_RELEASE_CHANGES = 100;

/** Names the change list that leads from one release to another. */
export interface ChangeListRef extends ObjectRef {
  readonly from: number;
  readonly to: number;
}

export interface ReleaseTotals {
  readonly entries: number;
  readonly files: number;
  /** Each path counts, also if several share a content. */
  readonly bytes: number;
  /** Different ones, the empty one included. */
  readonly contents: number;
  readonly unknown?: UnknownFields;
}

/** Attributes of TREE itself, which is no entry of the manifest. */
export interface RootAttributes {
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly unknown?: UnknownFields;
}

/** A numbered, signed state of the tree (docs/protocol.md, "Release"). */
export interface Release {
  /** Names of what a reader must know. */
  readonly requires: readonly string[];
  /** Repository id, 32 hex digits. The reader compares it with its own. */
  readonly repository: string;
  /** From 1 on. */
  readonly number: number;
  /** `2026-11-20T11:00:00Z`. */
  readonly created: string;
  /** Number of the release before; undefined for the first. */
  readonly previous: number | undefined;
  /** Piece length of the bundles this release made. */
  readonly swarmSize: number;
  /** Ed25519 public key that signs passes, 32 bytes in base64. */
  readonly passKey: string;
  readonly totals: ReleaseTotals;
  readonly root: RootAttributes;
  /** Manifest index. */
  readonly index: ObjectRef;
  /** Newest first, without gaps, the first one leading to this release. */
  readonly changes: readonly ChangeListRef[];
  /** Bundle list. */
  readonly bundles: ObjectRef;
  /** Newest first, at most three; the first is this release's own if it has one. */
  readonly metadata: readonly MetadataBundleRow[];
  readonly unknown?: UnknownFields;
}

/**
 * The bytes of `release.json`.
 *
 * @throws ManifestError `bad-release` if they are too many
 */
export function encodeRelease(release: Release): Uint8Array {
  const bytes = joinJsonLines([encodeLine(release)]);
  checkSize(bytes);
  return bytes;
}

function encodeLine(release: Release): string {
  const { totals, changes, metadata, requires, previous } = release;
  return encodeCanonicalObject(
    [
      ["format", "1"],
      ["requires", requires.length === 0 ? undefined : jsonText(requires)],
      ["repository", jsonText(release.repository)],
      ["number", jsonText(release.number)],
      ["created", jsonText(release.created)],
      ["previous", jsonText(previous)],
      ["swarmSize", jsonText(release.swarmSize)],
      ["passKey", jsonText(release.passKey)],
      ["totals", encodeTotals(totals)],
      ["root", encodeRoot(release.root)],
      ["index", encodeObjectRef(release.index)],
      ["changes", changes.length === 0 ? undefined : `[${changes.map(encodeChangeListRef).join(",")}]`],
      ["bundles", encodeObjectRef(release.bundles)],
      ["metadata", metadata.length === 0 ? undefined : `[${metadata.map(encodeMetadataRow).join(",")}]`],
    ],
    release.unknown,
  );
}

function encodeTotals(totals: ReleaseTotals): string {
  const keys = ["entries", "files", "bytes", "contents"] as const;
  return encodeCanonicalObject(
    keys.map((key) => [key, jsonText(totals[key])]),
    totals.unknown,
  );
}

function encodeChangeListRef(ref: ChangeListRef): string {
  return encodeObjectRef(ref, [
    ["from", jsonText(ref.from)],
    ["to", jsonText(ref.to)],
  ]);
}

/**
 * Reads the bytes of `release.json`; that they are signed and of the right repository is not looked at here.
 *
 * @throws ManifestError `bad-release`; `unknown-requirement` if it needs a newer program
 */
export function parseRelease(bytes: Uint8Array): Release {
  checkSize(bytes);
  return refusing("bad-release", "release.json", () => {
    const [line, ...more] = splitJsonLines(bytes);
    if (line === undefined || more.length > 0) fail("expected one line");
    const reader = new FieldReader(parseCanonicalObject(line), "bad-release", "release.json");
    const release = readRelease(reader, readRequirements(reader, "release.json"));
    requireSameLine(line, encodeLine(release));
    return release;
  });
}

function readRelease(reader: FieldReader, requires: readonly string[]): Release {
  const number = reader.integer("number", 1);
  const release: Release = {
    requires,
    repository: reader.text("repository", /^[0-9a-f]{32}$/, "32 lower-case hex digits"),
    number,
    created: reader.text("created", UTC_SECONDS, "a time like 2026-11-20T11:00:00Z"),
    previous: reader.has("previous") ? reader.integer("previous", 1, number - 1) : undefined,
    swarmSize: reader.integer("swarmSize", 1),
    passKey: reader.text("passKey", /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, "32 bytes in base64"),
    totals: readTotals(reader.object("totals")),
    root: readRoot(reader.object("root")),
    index: readObjectRef(reader.object("index")),
    changes: reader.objects("changes").map(readChangeListRef),
    bundles: readObjectRef(reader.object("bundles")),
    metadata: reader.objects("metadata").map(readMetadataRow),
    ...reader.unknown(),
  };
  assertPieceLength(release.swarmSize);
  if (!isDate(release.created)) reader.fail("created", "a date of the calendar");
  if (release.changes.length > MAX_RELEASE_CHANGES) fail(`expected at most ${MAX_RELEASE_CHANGES} change lists`);
  checkChain(release);
  checkMetadata(release);
  return release;
}

function encodeRoot({ mode, mtimeNs, unknown }: RootAttributes): string {
  return encodeCanonicalObject(
    [
      ["mode", jsonText(mode.toString(8))],
      ["mtime", jsonText(formatMtime(mtimeNs))],
    ],
    unknown,
  );
}

function readRoot(reader: FieldReader): RootAttributes {
  const mode = parseInt(reader.text("mode", /^(?:0|[1-7][0-7]{0,3})$/, "permission bits in octal"), 8);
  const mtime = reader.text("mtime", /./, "a time");
  return { mode, mtimeNs: parseMtime(mtime), ...reader.unknown() };
}

const UTC_SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** False for the 31st of February, which Date.parse takes. */
function isDate(text: string): boolean {
  const wallMs = Date.parse(text);
  return !Number.isNaN(wallMs) && new Date(wallMs).toISOString() === text.replace("Z", ".000Z");
}

function readTotals(reader: FieldReader): ReleaseTotals {
  const entries = reader.integer("entries", 0);
  const files = reader.integer("files", 0, entries);
  const bytes = reader.integer("bytes", 0);
  return { entries, files, bytes, contents: reader.integer("contents", 0, files), ...reader.unknown() };
}

function readChangeListRef(reader: FieldReader): ChangeListRef {
  const from = reader.integer("from", 1);
  const to = reader.integer("to", from + 1);
  return { from, to, ...readObjectRef(reader) };
}

function checkChain(release: Release): void {
  let wanted = release.number;
  for (const { from, to } of release.changes) {
    if (to !== wanted) fail(`expected a change list that leads to release ${wanted}, got one that leads to ${to}`);
    wanted = from;
  }
}

function checkMetadata({ number, metadata }: Release): void {
  if (metadata.length > LISTED_METADATA_BUNDLES) fail(`expected at most ${LISTED_METADATA_BUNDLES} metadata bundles`);
  let limit = number;
  for (const { release } of metadata) {
    if (release > limit) fail(`expected a metadata bundle of release ${limit} or before, got one of ${release}`);
    limit = release - 1;
  }
}

function checkSize(bytes: Uint8Array): void {
  if (bytes.length > MAX_RELEASE_BYTES) fail(`expected at most ${MAX_RELEASE_BYTES} bytes, got ${bytes.length}`);
}

function fail(problem: string): never {
  throw new ManifestError("bad-release", `release.json: ${problem}`);
}

import { TrustError } from "./errors.ts";
import { isJsonObject, ownField, parseJsonObject } from "./json-fields.ts";
import type { RoleTrust } from "./root-chain.ts";
import { isRepositoryId } from "./ticket.ts";
import { formatUtc } from "./utc-time.ts";

/**
 * High-water marks: the newest of everything that was ever accepted, kept apart from the TUF cache so that a damaged or
 * deleted cache lets nothing older in (tuf-js alone goes back to release 1 then). A mark belongs to the keys of its
 * role. It is forgotten only when the root replaced so many of them that nothing signed with the old ones counts any
 * more: the way out of a fast-forward by a stolen key, and no way back for a replay.
 */
export interface Marks {
  readonly repository: string;
  /** SHA-256 of 1.root.json. */
  readonly rootFingerprint: string;
  readonly rootVersion: number;
  readonly timestamp: TimestampMark;
  readonly snapshot: RoleMark;
  readonly targets: TargetsMark;
}

export interface RoleMark {
  /** Key ids of the role, ascending. */
  readonly keyIds: readonly string[];
  readonly version: number;
}

export interface TimestampMark extends RoleMark {
  /** Newest time of signing seen, milliseconds since 1970; 0 if none was told. */
  readonly createdMs: number;
}

export interface TargetsMark extends RoleMark {
  readonly release: number;
  /** Hash of that release: another release of the same number is a fork. */
  readonly releaseSha256: string;
}

/** What one refresh found, before it is believed. */
export interface ObservedState {
  readonly repository: string;
  readonly rootFingerprint: string;
  readonly rootVersion: number;
  readonly timestamp: RoleTrust & Omit<TimestampMark, "keyIds">;
  readonly snapshot: RoleTrust & Omit<RoleMark, "keyIds">;
  readonly targets: RoleTrust & Omit<TargetsMark, "keyIds">;
}

/** A version or release number that leaps further than this is an attempt to use up all numbers. */
export const MAX_JUMP: number = 2 ** 32;
/** Clocks of donated machines drift; a clock that is off by more can't judge what expired. */
export const CLOCK_TOLERANCE_MS = 3_600_000;

/**
 * The marks after `observed` is accepted.
 *
 * @throws TrustError `rollback`, `fast-forward`, `wrong-repository`
 */
export function raiseMarks(marks: Marks | undefined, observed: ObservedState): Marks {
  checkSameRepository(marks, observed);
  checkRise("root version", marks?.rootVersion ?? 0, observed.rootVersion);
  const timestamp = markStillCounts(marks?.timestamp, observed.timestamp);
  const snapshot = markStillCounts(marks?.snapshot, observed.snapshot);
  const targets = markStillCounts(marks?.targets, observed.targets);
  checkRise("timestamp version", timestamp?.version ?? 0, observed.timestamp.version);
  checkRise("snapshot version", snapshot?.version ?? 0, observed.snapshot.version);
  checkRise("targets version", targets?.version ?? 0, observed.targets.version);
  checkRise("release", targets?.release ?? 0, observed.targets.release);
  if (targets?.release === observed.targets.release && targets.releaseSha256 !== observed.targets.releaseSha256) {
    const problem = `release ${targets.release} differs from the release ${targets.release} seen before`;
    throw new TrustError("rollback", problem);
  }
  const { repository, rootFingerprint, rootVersion } = observed;
  const createdMs = Math.max(timestamp?.createdMs ?? 0, observed.timestamp.createdMs);
  return {
    repository,
    rootFingerprint,
    rootVersion,
    timestamp: { keyIds: observed.timestamp.keyIds, version: observed.timestamp.version, createdMs },
    snapshot: { keyIds: observed.snapshot.keyIds, version: observed.snapshot.version },
    targets: {
      keyIds: observed.targets.keyIds,
      version: observed.targets.version,
      release: observed.targets.release,
      releaseSha256: observed.targets.releaseSha256,
    },
  };
}

/** @throws TrustError `wrong-repository` if the marks are those of another repository or root */
export function checkSameRepository(
  marks: Marks | undefined,
  expected: { readonly repository: string; readonly rootFingerprint: string },
): void {
  if (marks === undefined) return;
  if (marks.repository === expected.repository && marks.rootFingerprint === expected.rootFingerprint) return;
  const problem = `expected repository ${marks.repository} with root ${marks.rootFingerprint}, which this state belongs to`;
  throw new TrustError(
    "wrong-repository",
    `${problem}, got ${expected.repository} with root ${expected.rootFingerprint}`,
  );
}

/** @throws TrustError `clock-behind` if `nowMs` is before the newest signed time */
export function checkClock(marks: Marks, nowMs: number): void {
  const { createdMs } = marks.timestamp;
  if (nowMs >= createdMs - CLOCK_TOLERANCE_MS) return;
  const problem = `this machine's clock says ${formatUtc(nowMs)}, but metadata was signed at ${formatUtc(createdMs)}`;
  throw new TrustError("clock-behind", `${problem}: set the clock`);
}

function markStillCounts<Mark extends RoleMark>(mark: Mark | undefined, trust: RoleTrust): Mark | undefined {
  const kept = mark?.keyIds.filter((keyId) => trust.keyIds.includes(keyId)).length ?? 0;
  return kept < trust.threshold ? undefined : mark;
}

function checkRise(what: string, mark: number, observed: number): void {
  if (observed < mark) throw new TrustError("rollback", `expected ${what} ${mark} or newer, got ${observed}`);
  if (observed - mark > MAX_JUMP) {
    throw new TrustError("fast-forward", `expected ${what} near ${mark}, got ${observed}: the leap is too large`);
  }
}

/** One JSON object with a final newline. */
export function encodeMarks(marks: Marks): Uint8Array {
  return Buffer.from(`${JSON.stringify({ format: 1, ...marks }, undefined, 1)}\n`);
}

/**
 * Reads back what {@link encodeMarks} wrote.
 *
 * @throws TrustError `damaged-state`: nothing may be believed without marks that once existed
 */
export function parseMarks(bytes: Uint8Array): Marks {
  const json = parseJsonObject(Buffer.from(bytes).toString("utf8"));
  if (json === undefined) return damaged("a JSON object");
  if (ownField(json, "format") !== 1) return damaged("format 1");
  const repository = ownField(json, "repository");
  if (!isRepositoryId(repository)) return damaged("a repository id");
  const timestamp = roleMark(json, "timestamp");
  const targets = roleMark(json, "targets");
  return {
    repository,
    rootFingerprint: hashField(json, "rootFingerprint"),
    rootVersion: countField(json, "rootVersion"),
    timestamp: { ...timestamp.mark, createdMs: countField(timestamp.json, "createdMs") },
    snapshot: roleMark(json, "snapshot").mark,
    targets: {
      ...targets.mark,
      release: countField(targets.json, "release"),
      releaseSha256: hashField(targets.json, "releaseSha256"),
    },
  };
}

type Json = Readonly<Record<string, unknown>>;

function roleMark(json: Json, role: string): { readonly mark: RoleMark; readonly json: Json } {
  const value = ownField(json, role);
  if (!isJsonObject(value)) return damaged(`an object "${role}"`);
  const keyIds: unknown = ownField(value, "keyIds");
  if (!Array.isArray(keyIds) || !keyIds.every((keyId) => typeof keyId === "string")) return damaged("key ids");
  return { mark: { keyIds, version: countField(value, "version") }, json: value };
}

function countField(json: Json, name: string): number {
  const value = ownField(json, name);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : damaged(`a count "${name}"`);
}

function hashField(json: Json, name: string): string {
  const value = ownField(json, name);
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? value : damaged(`a SHA-256 "${name}"`);
}

function damaged(expected: string): never {
  throw new TrustError("damaged-state", `marks.json: expected ${expected}, the file is damaged`);
}

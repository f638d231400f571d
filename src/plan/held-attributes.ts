import type { Entry } from "../manifest/entry.ts";
import { changeMode, type ModeChange } from "./mode-changes.ts";

/** What of the attributes of a release a mirror takes over, and how; plain data, so that it can be remembered. */
export interface AttributeRules {
  /** Set-user-id and set-group-id bits too (rsync --perms, typed on purpose). */
  readonly keepsSetIds: boolean;
  /** rsync --chmod, in their order. */
  readonly modeChanges: readonly ModeChange[];
  /** rsync --owner. */
  readonly keepsOwner: boolean;
  /** rsync --group. */
  readonly keepsGroup: boolean;
  /** Groups that this user may give files to; left out: all. */
  readonly ownGroups?: readonly number[];
}

/** Modes without set-id bits, nobody's ownership: what `sync` means without options. */
export const PLAIN_ATTRIBUTES: AttributeRules = {
  keepsSetIds: false,
  modeChanges: [],
  keepsOwner: false,
  keepsGroup: false,
};

const SET_ID_BITS = 0o6000;

/** The mode that a directory or file has on this mirror. */
export function heldMode(mode: number, rules: AttributeRules, isDirectory: boolean): number {
  return changeMode(rules.keepsSetIds ? mode : mode & ~SET_ID_BITS, rules.modeChanges, isDirectory);
}

/** An entry as this mirror is to hold it: everything that decides or acts on attributes sees this one. */
export function heldEntry(entry: Entry, rules: AttributeRules): Entry {
  const owned = withOwners(entry, rules);
  if (owned.kind === "symlink") return owned;
  const mode = heldMode(owned.mode, rules, owned.kind === "directory");
  return mode === owned.mode ? owned : { ...owned, mode };
}

type Writable<Type> = Type extends unknown ? { -readonly [Key in keyof Type]: Type[Key] } : never;

function withOwners(entry: Entry, rules: AttributeRules): Entry {
  const takesOwner = entry.uid === undefined || rules.keepsOwner;
  const takesGroup = entry.gid === undefined || mayGiveTo(entry.gid, rules);
  if (takesOwner && takesGroup) return entry;
  const owned: Writable<Entry> = { ...entry };
  if (!takesOwner) delete owned.uid;
  if (!takesGroup) delete owned.gid;
  return owned;
}

/** As rsync: a group that this user is no member of is left as it comes. */
export function mayGiveTo(gid: number, { keepsGroup, ownGroups }: AttributeRules): boolean {
  return keepsGroup && (ownGroups === undefined || ownGroups.includes(gid));
}

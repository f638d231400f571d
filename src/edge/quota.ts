import { formatByteSize } from "../core/byte-size.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Selection } from "../filter/selection.ts";
import type { Entry } from "../manifest/entry.ts";
import {
  type AssignedCut,
  type Assignment,
  chooseAssignedCut,
  isAssigned,
  type PlaceOf,
} from "../plan/assigned-cut.ts";
import type { IsSelected } from "../plan/counted-files.ts";
import { chooseCut, isTaken, type NewestCut } from "../plan/newest-cut.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { contentPlaces } from "./content-places.ts";
import { SyncError } from "./errors.ts";
import type { Mirror } from "./mirror.ts";

/** How far back a quota reaches, as remembered in the index: by mtime, or by what central assigned. */
export type QuotaState = {
  readonly release: number;
  /** Id of the selection. */
  readonly selection: string;
} & ({ readonly cut: NewestCut } | { readonly assigned: AssignedCut; readonly assignment: Assignment });

/** A selection whose quota is decided for a release. */
export interface LimitedSelection {
  readonly selection: Selection;
  /** To be remembered once the run changes anything; undefined without a quota. */
  readonly quota: QuotaState | undefined;
  /** Other paths than in the last run are within it, whatever the release changed. */
  readonly isMoved: boolean;
}

/**
 * Decides which of the selected files fit: the newest, or for a volatile volunteer what central assigned. The last run's answer holds for the
 * same release and assignment. What is assigned must be known to the mirror's situation by now ({@link learnAssignment}).
 * @throws SyncError `quota-too-small`
 */
export function limitToQuota(mirror: Mirror, selection: Selection, release: number): LimitedSelection {
  if (selection.settings.quotaBytes === undefined) return { selection, quota: undefined, isMoved: false };
  const placeOf = contentPlaces(mirror.index.bundles, selection.settings.quotaBytes);
  const last = rememberedQuota(mirror.index, mirror.selected.id);
  const assignment = assignmentOf(mirror, last);
  if (last?.release === release && isSameText(assignment, assignmentIn(last)))
    return { selection: limited(selection, last, placeOf), quota: last, isMoved: false };
  const quota = chooseQuota(mirror, selection, { release, last, assignment, placeOf });
  const isMoved = last === undefined || !isSameText(cutIn(quota), cutIn(last));
  return { selection: limited(selection, quota, placeOf), quota, isMoved };
}

/** A volatile volunteer asks central what to hold of a release, unless it was told already. */
export async function learnAssignment(
  { selected, situation, announcer, ports }: Mirror,
  release: number,
): Promise<void> {
  if (selected.selection.settings.role !== "volatile" || (situation.assignment?.release ?? 0) >= release) return;
  await announcer.announceNow();
  if (situation.assignment !== undefined) return;
  const why = announcer.isReachable
    ? "central assigns nothing (is it an older one?)"
    : "central did not tell what to hold";
  ports.log.warn({}, `${why}: the last assignment counts, or else the newest files by mtime`);
}

/**
 * What the last run took of its selection, for those who only look at it. A quota whose cut is not known, with a state directory from a
 * backup for instance, leaves what is recorded.
 * @param selection that of `selected.applied`
 */
export function withRememberedQuota({ index, selected }: Mirror, selection: Selection): Selection {
  const { quotaBytes } = selection.settings;
  if (quotaBytes === undefined) return selection;
  const last = rememberedQuota(index, selected.applied.id);
  if (last !== undefined) return limited(selection, last, contentPlaces(index.bundles, quotaBytes));
  return selection.withQuotaLimit((path) => index.files.get(path as RepoPath) !== undefined);
}

export function rememberQuota(index: MirrorIndex, quota: QuotaState | undefined): void {
  if (quota !== undefined) index.facts.set("quotaCut", JSON.stringify(quota));
}

interface Considered {
  readonly release: number;
  readonly last: QuotaState | undefined;
  readonly assignment: Assignment | undefined;
  readonly placeOf: PlaceOf;
}

function chooseQuota(mirror: Mirror, selection: Selection, considered: Considered): QuotaState {
  const { release, last, assignment, placeOf } = considered;
  const { index, selected } = mirror;
  const quotaBytes = selection.settings.quotaBytes!;
  const isSelected: IsSelected = (path, entry) => selection.verdictOn(path, entry, false) === "wanted";
  const entries = () => entriesOf(index);
  const known = { release, selection: selected.id };
  if (assignment !== undefined) {
    const choice = chooseAssignedCut(entries, { quotaBytes, isSelected, assignment, placeOf });
    if ("problem" in choice) throw tooSmall(quotaBytes, choice.alwaysBytes);
    return { ...known, assigned: choice.cut, assignment };
  }
  const before = last !== undefined && "cut" in last ? last.cut : undefined;
  const choice = chooseCut(entries, { quotaBytes, isSelected, before });
  if ("problem" in choice) throw tooSmall(quotaBytes, choice.alwaysBytes);
  return { ...known, cut: choice.cut };
}

function tooSmall(quotaBytes: number, alwaysBytes: number): SyncError {
  return new SyncError(
    "quota-too-small",
    `--quota ${formatByteSize(quotaBytes)}: index files of package managers alone take ${formatByteSize(alwaysBytes)}; nothing was changed`,
  );
}

/** The newest one; before central was asked, or while it does not answer, that of the last run. */
function assignmentOf({ selected, situation }: Mirror, last: QuotaState | undefined): Assignment | undefined {
  return selected.selection.settings.role === "volatile" ? (situation.assignment ?? assignmentIn(last)) : undefined;
}

function assignmentIn(state: QuotaState | undefined): Assignment | undefined {
  return state !== undefined && "assignment" in state ? state.assignment : undefined;
}

function cutIn(state: QuotaState): NewestCut | AssignedCut {
  return "cut" in state ? state.cut : state.assigned;
}

/** Of plain values whose keys stand in one order. */
function isSameText(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function limited(selection: Selection, state: QuotaState, placeOf: PlaceOf): Selection {
  if ("cut" in state) return selection.withQuotaLimit((path, entry) => isTaken(path, entry, state.cut));
  const by = { cut: state.assigned, seed: state.assignment.seed, placeOf };
  return selection.withQuotaLimit((path, entry) => isAssigned(path, entry, by));
}

function rememberedQuota(index: MirrorIndex, selection: string): QuotaState | undefined {
  const told = index.facts.get("quotaCut");
  // Written by this program into its own index, and rebuilt with it.
  const state = told === undefined ? undefined : (JSON.parse(told) as QuotaState);
  return state?.selection === selection ? state : undefined;
}

/** Of the release on its way if there is one, else of the held one. */
function* entriesOf({ manifest }: MirrorIndex): Generator<readonly [Entry, 1 | -1]> {
  for (const entry of manifest.entries()) yield [entry, 1];
  if (manifest.next() === undefined) return;
  for (const { before, after } of manifest.changes()) {
    if (before !== undefined) yield [before, -1];
    if (after !== undefined) yield [after, 1];
  }
}

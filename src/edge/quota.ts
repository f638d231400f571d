import { formatByteSize } from "../core/byte-size.ts";
import type { Selection } from "../filter/selection.ts";
import type { Entry } from "../manifest/entry.ts";
import { chooseCut, isTaken, type NewestCut } from "../plan/newest-cut.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { SyncError } from "./errors.ts";
import type { Mirror } from "./mirror.ts";

/** How far back a quota reaches, as remembered in the index. */
export interface QuotaState {
  readonly release: number;
  /** Id of the selection. */
  readonly selection: string;
  readonly cut: NewestCut;
}

/** A selection whose quota is decided for a release. */
export interface LimitedSelection {
  readonly selection: Selection;
  /** To be remembered once the run changes anything; undefined without a quota. */
  readonly quota: QuotaState | undefined;
  /** Other paths than in the last run are within it, whatever the release changed. */
  readonly isMoved: boolean;
}

/**
 * Decides which of the selected files are the newest that fit; the last run's answer holds for the same release.
 * @throws SyncError `quota-too-small`
 */
export function limitToQuota(mirror: Mirror, selection: Selection, release: number): LimitedSelection {
  const { quotaBytes } = selection.settings;
  if (quotaBytes === undefined) return { selection, quota: undefined, isMoved: false };
  const { index, selected } = mirror;
  const last = rememberedQuota(index, selected.id);
  if (last?.release === release) return { selection: limited(selection, last.cut), quota: last, isMoved: false };
  const choice = chooseCut(() => entriesOf(index), {
    quotaBytes,
    isSelected: (path, entry) => selection.verdictOn(path, entry, false) === "wanted",
    before: last?.cut,
  });
  if ("problem" in choice) {
    const needed = formatByteSize(choice.alwaysBytes);
    throw new SyncError(
      "quota-too-small",
      `--quota ${formatByteSize(quotaBytes)}: index files of package managers alone take ${needed}; nothing was changed`,
    );
  }
  const { cut } = choice;
  const isMoved = cut.seconds !== last?.cut.seconds || cut.upTo !== last.cut.upTo;
  return { selection: limited(selection, cut), quota: { release, selection: selected.id, cut }, isMoved };
}

/** What the mirror took the last time, for those who only look at it. */
export function withRememberedQuota({ index, selected }: Mirror, selection: Selection): Selection {
  const last = rememberedQuota(index, selected.id);
  return last === undefined ? selection : limited(selection, last.cut);
}

export function rememberQuota(index: MirrorIndex, quota: QuotaState | undefined): void {
  if (quota !== undefined) index.facts.set("quotaCut", JSON.stringify(quota));
}

function limited(selection: Selection, cut: NewestCut): Selection {
  return selection.withQuotaLimit((path, entry) => isTaken(path, entry, cut));
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

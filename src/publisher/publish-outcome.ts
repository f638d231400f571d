import type { RepoPath } from "../core/repo-path.ts";
import { parseRelease, type ReleaseTotals } from "../manifest/release.ts";
import { IndexedReleases } from "../store/publish-index-release.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import type { CutRelease } from "./cut-release.ts";
import type { PublishOutcome } from "./publish-options.ts";

/** What a run did, for {@link outcomeOf}. */
export interface FinishedRun {
  readonly index: PublishIndex;
  readonly cut: CutRelease | undefined;
  readonly hashed: { readonly files: number; readonly bytes: number };
  readonly failed: readonly RepoPath[];
  readonly warnings: readonly string[];
  readonly isRetained: boolean;
}

export function outcomeOf(run: FinishedRun): PublishOutcome {
  const { cut, index } = run;
  const { bytes, contents, entries, files } = currentTotals(index);
  const bundles = cut?.prepared.bundlesAdded.filter(({ row }) => row.kind === "content") ?? [];
  return {
    release: cut?.prepared.number,
    current: index.appliedRelease,
    isFirst: cut?.prepared.number === 1,
    counts: {
      entries,
      files,
      bytes,
      contents,
      added: cut?.added ?? 0,
      changed: cut?.changed ?? 0,
      removed: cut?.removed ?? 0,
      newContents: bundles.reduce((sum, { row }) => sum + row.contentCount, 0),
      newBytes: bundles.reduce((sum, { dataBytes }) => sum + dataBytes, 0),
      hashedFiles: run.hashed.files,
      hashedBytes: run.hashed.bytes,
    },
    warnings: run.warnings,
    changedWhileRead: run.failed,
    retained: run.isRetained,
  };
}

function currentTotals(index: PublishIndex): ReleaseTotals {
  const bytes = new IndexedReleases(index).bytes(index.appliedRelease);
  return bytes === undefined ? { entries: 0, files: 0, bytes: 0, contents: 0 } : parseRelease(bytes).totals;
}

import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { messageOf } from "../core/errors.ts";
import { isSameMtime } from "../core/time.ts";
import type { PathDecision, SyncPlan } from "../plan/plan-sync.ts";
import { activate, type PathFailure } from "../store/activation.ts";
import { lateStepsFrom, orderSteps, type ActivationStep } from "../store/activation-order.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { DurabilityBatch } from "../store/durability.ts";
import { StoreError } from "../store/errors.ts";
import { fileStatOf } from "../store/file-stat.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { StagingArea } from "../store/staging.ts";
import type { Entry } from "../manifest/entry.ts";
import type { ArrivedContents } from "./arrived-contents.ts";
import type { HoldingsReporter } from "./holdings-report.ts";
import type { ReusedContent } from "./reuse.ts";
import type { SyncLog } from "./sync-log.ts";

export interface ActivationJob {
  readonly index: MirrorIndex;
  readonly destination: ConfinedDirectory;
  readonly staging: StagingArea;
  /** Customers read from it while it moves into DEST. */
  readonly arrived: Pick<ArrivedContents, "whilePlacing">;
  /** Told that what was believed of DEST is wrong. */
  readonly holdings: Pick<HoldingsReporter, "isComplete">;
  readonly log: SyncLog;
  /** Entry of a path in the new release. */
  readonly entryOf: (path: RepoPath) => Entry | undefined;
  /** Contents that could not be obtained: their paths stay as they are, further names of them too. */
  readonly unavailable: ReadonlySet<string>;
  /** Something failed before: what comes last is held back. */
  readonly isIncomplete: boolean;
  /** Paths that come last. */
  readonly isMetadata: (path: RepoPath) => boolean;
  readonly signal: AbortSignal;
}

/** What became of DEST. */
export interface ActivatedRelease {
  readonly failures: readonly PathFailure[];
  /** Index files and removals that wait until nothing fails any more. */
  readonly heldBack: readonly RepoPath[];
  readonly removed: number;
  /** Paths to remove that hold what is not ours. */
  readonly leftAlone: readonly RepoPath[];
}

/**
 * Puts what was staged into DEST: contents durable first, then paths in an order in which nothing names what is not there,
 * metadata files and removals last, and only if all else is there. The index follows each step in batches.
 */
export async function activateRelease(
  plan: SyncPlan,
  staged: readonly ReusedContent[],
  job: ActivationJob,
): Promise<ActivatedRelease> {
  const steps = plan.decisions.filter((decision) => isStep(decision, job));
  await makeDurable(staged, job);
  job.index.transaction(() => job.index.files.addPending(steps.flatMap(placedPath)));
  const adoption = recordAdopted(plan.decisions, job);
  const ordered = orderSteps(steps, job);
  let removed = 0;
  const records = new RecordBatch(job.index);
  using _placing = job.arrived.whilePlacing(() => records.flush());
  try {
    const { failures, leftAlone, heldBack } = await activate(ordered, {
      lateFrom: lateStepsFrom(ordered, job),
      isIncomplete: job.isIncomplete || job.unavailable.size > 0,
      destination: job.destination,
      staging: job.staging,
      directoryAttributes: (path) => directoryAttributes(job, path),
      onFile: (path, content, stat) =>
        records.add(() => job.index.files.put(path, { stat, content, isVerified: true }), stat.size),
      onRestat: (path, before, after) => records.add(() => job.index.files.restat(path, before, after)),
      onLinked: (path, to) => records.add(() => job.index.files.link(path, to)),
      onRemoved: (path) => {
        removed++;
        records.add(() => {
          job.index.files.remove(path);
          job.index.gone.forget(path);
        });
      },
      recordOf: (path) => job.index.files.get(path),
      onWrong: (file) => {
        job.holdings.isComplete = false;
        records.add(() => job.index.files.noteFound(file.path, file));
      },
      signal: job.signal,
    });
    for (const path of leftAlone)
      job.log.info({ path: displayPath(path) }, "left alone: not empty or not what was put there");
    for (const { path, error } of failures)
      job.log.warn({ path: displayPath(path), reason: messageOf(error) }, "path not updated");
    if (heldBack.length > 0) job.log.warn({ paths: heldBack.length }, "index files and removals wait for what failed");
    return { failures: [...adoption.failures, ...failures], heldBack, removed, leftAlone };
  } finally {
    records.flush();
  }
}

function isStep(decision: PathDecision, job: ActivationJob): decision is PathDecision & ActivationStep {
  if (decision.action === "keep") return false;
  if (decision.action !== "place" && decision.action !== "link") return true;
  return !job.unavailable.has(decision.entry.content);
}

function placedPath(step: ActivationStep): RepoPath[] {
  return step.action === "remove" || step.action === "attributes" ? [] : [step.entry.path];
}

/** A rename makes a name durable, not the bytes behind it: those go first (reliability: rename without fsync left 0 bytes). */
async function makeDurable(staged: readonly ReusedContent[], job: ActivationJob): Promise<void> {
  const batch = new DurabilityBatch(job.destination.rootPath);
  for (const { wanted } of staged) {
    if (job.unavailable.has(wanted.content) || !job.staging.mayHave(wanted.content)) continue;
    batch.add(() => job.staging.fsync(wanted.content).catch(tolerateMissing));
  }
  await batch.flush();
}

/** Somebody removed a part: its paths alone fail, when it is to be put there. */
function tolerateMissing(error: unknown): void {
  if (!(error instanceof StoreError && error.code === "staged-missing")) throw error;
}

/** Files that were there before us: believed by size and time, not vouched for. Time has passed since they were looked at. */
function recordAdopted(
  decisions: readonly PathDecision[],
  job: ActivationJob,
): { readonly failures: readonly PathFailure[] } {
  const failures: PathFailure[] = [];
  job.index.transaction(() => {
    for (const decision of decisions) {
      if (decision.action !== "keep" && decision.action !== "attributes") continue;
      if (!decision.isAdopted || decision.entry.kind !== "file") continue;
      const { path, content, size, mtimeNs } = decision.entry;
      const stats = job.destination.lstat(path);
      const isSameTime =
        decision.action === "attributes" || (stats !== undefined && isSameMtime(stats.mtimeNs, mtimeNs));
      if (stats?.isFile() === true && Number(stats.size) === size && isSameTime) {
        job.index.files.put(path, { stat: fileStatOf(stats), content, isVerified: false });
      } else failures.push({ path, error: new Error("the file changed during the sync") });
    }
  });
  return { failures };
}

function directoryAttributes(
  job: ActivationJob,
  path: RepoPath,
): { readonly mode: number; readonly mtimeNs: bigint } | undefined {
  const entry = job.entryOf(path);
  return entry?.kind === "directory" ? entry : undefined;
}

/**
 * Single transactions would cost more than the files themselves, and large ones write each page of the index by content, which every
 * record touches anew, less often: 100,000 records took 13 µs of CPU each a thousand at a time, 8 µs four thousand at a time.
 */
const RECORDS_PER_TRANSACTION = 4_000;
/** What a run that is killed placed without a record is hashed by the next one: half a second's work. */
const BYTES_PER_TRANSACTION: number = 256 * 1024 * 1024;

/** Writes to the index many records at a time. */
class RecordBatch {
  readonly #index: MirrorIndex;
  #writes: (() => void)[] = [];
  #bytes = 0;

  constructor(index: MirrorIndex) {
    this.#index = index;
  }

  /** @param bytes of the file that the record is about */
  add(write: () => void, bytes = 0): void {
    this.#writes.push(write);
    this.#bytes += bytes;
    if (this.#writes.length >= RECORDS_PER_TRANSACTION || this.#bytes >= BYTES_PER_TRANSACTION) this.flush();
  }

  /** What can't be written waits for the next call, which may be another's. */
  flush(): void {
    if (this.#writes.length === 0) return;
    this.#index.transaction(() => this.#writes.forEach((write) => write()));
    this.#writes = [];
    this.#bytes = 0;
  }
}

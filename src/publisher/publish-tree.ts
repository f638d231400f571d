import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { parseRelease, type RootAttributes } from "../manifest/release.ts";
import { ConfinedDirectory } from "../store/confined-directory.ts";
import { IndexedContents } from "../store/publish-index-contents.ts";
import { PendingChanges } from "../store/publish-index-pending.ts";
import { IndexedReleases } from "../store/publish-index-release.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import { HashedFiles } from "../store/publish-objects.ts";
import { ContentReader } from "../store/retained-contents-reader.ts";
import { RetainedContents } from "../store/retained-contents.ts";
import { SettledDirectories } from "../store/settled-directories.ts";
import { ensurePrivateDirectory } from "../store/state-directory.ts";
import { BundleNumbers } from "./bundle-numbers.ts";
import { collectGarbage, type GarbageContext, sweepOrphans } from "./collect-garbage.ts";
import { cutRelease, type CutRelease } from "./cut-release.ts";
import { PublisherError } from "./errors.ts";
import { countKnown } from "./grouped-contents.ts";
import { hashChanged } from "./hash-changed.ts";
import { HashWorkerPool } from "./hash-worker-pool.ts";
import { lookInside } from "./look-inside.ts";
import { ThrottledProgress } from "./progress.ts";
import { outcomeOf } from "./publish-outcome.ts";
import type { PublishOptions, PublishOutcome, PublishProgress } from "./publish-options.ts";
import { HashRecorder } from "./record-hashed.ts";
import { rememberOwners } from "./remembered-owners.ts";
import { acquirePublishLock, recoverPublish } from "./recover-publish.ts";
import { scanTree } from "./scan-tree.ts";
import { settleFailures } from "./settle-failures.ts";
import { TufRepository } from "./tuf-repository.ts";

/**
 * Cuts, signs and announces a release of TREE, if anything changed since the last one. May be killed at any moment:
 * mirrors see the old release until the new one is complete, and the next publish goes on from there.
 * @throws PublisherError `publish-running`, `tree-unusable`, `work-directory-unusable`
 * @throws StoreError, TrustError for a state directory or disk that can't be used
 */
export async function publishTree(options: PublishOptions, progress: PublishProgress): Promise<PublishOutcome> {
  using root = openTree(options.treePath);
  assertOutside(options);
  ensurePrivateDirectory(options.stateDirectory);
  await using _lock = await lockPublish(options.stateDirectory);
  ensurePrivateDirectory(options.workDirectory);
  const repository = await TufRepository.openOrCreate(options.stateDirectory, options.clock);
  const { index, signedRelease, wasRebuilt } = await recoverPublish(options.workDirectory, repository, options.clock);
  using _index = index;
  using retained = RetainedContents.open(options.workDirectory);
  const keepsOwners = await rememberOwners(options);
  const run = new PublishRun({ options, root, repository, index, retained, signedRelease, keepsOwners }, progress);
  if (wasRebuilt && signedRelease > 0) run.warn("the index was lost or of another state: all of TREE is read again");
  return await run.publish();
}

interface RunContext {
  readonly options: PublishOptions;
  readonly root: ConfinedDirectory;
  readonly repository: TufRepository;
  readonly index: PublishIndex;
  readonly retained: RetainedContents;
  readonly signedRelease: number;
  readonly keepsOwners: boolean;
}

class PublishRun {
  readonly #context: RunContext;
  readonly #progress: ThrottledProgress;
  readonly #contents: IndexedContents;
  readonly #releases: IndexedReleases;
  readonly #pending: PendingChanges;
  readonly #settled: SettledDirectories;
  readonly #objects: HashedFiles;
  readonly #torrents: HashedFiles;
  readonly #metadata: HashedFiles;
  readonly #recorder: HashRecorder;
  readonly #warnings: string[] = [];
  /** Of TREE itself, read before anything in it. */
  readonly #rootAttributes: RootAttributes;

  constructor(context: RunContext, progress: PublishProgress) {
    const { index, options, retained, root } = context;
    this.#context = context;
    this.#rootAttributes = root.rootAttributes();
    this.#progress = new ThrottledProgress(progress, options.clock);
    this.#contents = new IndexedContents(index);
    this.#releases = new IndexedReleases(index);
    this.#pending = new PendingChanges(index);
    this.#settled = new SettledDirectories(index, context.keepsOwners);
    this.#objects = new HashedFiles(options.workDirectory, "objects");
    this.#torrents = new HashedFiles(options.workDirectory, "torrents");
    this.#metadata = new HashedFiles(options.workDirectory, "metadata");
    const pieceLength = options.swarmSizeBytes;
    this.#recorder = new HashRecorder({
      root,
      pending: this.#pending,
      contents: this.#contents,
      retained,
      pieceLength,
    });
  }

  warn(line: string): void {
    this.#warnings.push(line);
  }

  async publish(): Promise<PublishOutcome> {
    const { index } = this.#context;
    const wasUnclean = index.meta("unclean") === 1;
    index.setMeta("unclean", 1);
    // What a killed publish retired goes before a scan can find it again: it would be believed to lie in a bundle.
    if (wasUnclean) await collectGarbage(this.#garbage, this.#context.options.clock.wallMs());
    await this.#scan();
    const hashed = await this.#hash();
    const failed = await this.#settle();
    const cut = this.#isNothingNew() ? undefined : await this.#release();
    await this.#clean(wasUnclean);
    this.#settled.settle();
    index.setMeta("unclean", 0);
    this.#progress.finish();
    return this.#outcome({ cut, hashed, failed });
  }

  #isNothingNew(): boolean {
    const { index, signedRelease } = this.#context;
    if (this.#pending.count() > 0 || signedRelease === 0 || index.appliedRelease !== signedRelease) return false;
    const published = this.#releases.bytes(signedRelease);
    return published !== undefined && isSameRoot(parseRelease(published).root, this.#rootAttributes);
  }

  async #scan(): Promise<void> {
    const { index, options, root, signedRelease } = this.#context;
    this.#progress.onPhase("scan");
    index.database.exec("BEGIN IMMEDIATE");
    try {
      await scanTree({
        root,
        index,
        pending: this.#pending,
        settled: this.#settled,
        crossFileSystems: options.crossFileSystems,
        keepsOwners: this.#context.keepsOwners,
        mayBeEmpty: signedRelease === 0 || signedRelease === index.appliedRelease,
        onScan: (count) => this.#progress.onScan(count),
        warn: (line) => this.warn(line),
      });
      this.#pending.endScan(options.swarmSizeBytes);
      index.database.exec("COMMIT");
    } catch (error) {
      index.database.exec("ROLLBACK");
      throw error;
    }
  }

  async #hash(): Promise<{ readonly files: number; readonly bytes: number }> {
    const { index, options, root } = this.#context;
    this.#progress.onPhase("hash");
    await using pool = new HashWorkerPool();
    return await hashChanged({
      root,
      index,
      pool,
      pending: this.#pending,
      recorder: this.#recorder,
      settings: { pieceLength: options.swarmSizeBytes, deltaSize: options.deltaSize },
      clock: options.clock,
      onHash: (done, total, files) => this.#progress.onHash(done, total, files),
      warn: (line) => this.warn(line),
    });
  }

  async #settle(): Promise<RepoPath[]> {
    const { index, options, retained } = this.#context;
    const reader = new ContentReader(index, { retained, treePath: options.treePath });
    const failed = await settleFailures({ index, pending: this.#pending, reader, warn: (line) => this.warn(line) });
    index.transaction(() => {
      this.#pending.mendLinks();
      this.#pending.dropUnchanged();
    });
    return failed;
  }

  async #lookInside(): Promise<void> {
    const { index, options, retained } = this.#context;
    this.#progress.onPhase("look inside");
    await lookInside({
      index,
      contents: this.#contents,
      reader: new ContentReader(index, { retained, treePath: options.treePath }),
      settings: { pieceLength: options.swarmSizeBytes, deltaSize: options.deltaSize },
      budgetCpuSeconds: options.lookInsideBudgetCpuSeconds,
      warn: (line) => this.warn(line),
    });
  }

  async #release(): Promise<CutRelease> {
    const { index, options, repository, signedRelease } = this.#context;
    await this.#lookInside();
    this.#progress.onPhase("manifest");
    if (options.groups.length > 0 && countKnown(options.groups, index) === 0)
      this.warn("no path of the groups is in TREE: paths in them begin at TREE");
    const bundleNumbers = new BundleNumbers(options.stateDirectory);
    const cut = await cutRelease({
      index,
      pending: this.#pending,
      contents: this.#contents,
      releases: this.#releases,
      objects: this.#objects,
      torrents: this.#torrents,
      metadata: this.#metadata,
      clock: options.clock,
      repositoryId: repository.repositoryId,
      passKey: repository.passKey,
      swarmSizeBytes: options.swarmSizeBytes,
      groups: options.groups,
      previous: signedRelease,
      root: this.#rootAttributes,
      // A state directory from a backup may be behind the index.
      firstBundleNumber: Math.max(await bundleNumbers.next(), this.#releases.highestBundleNumber() + 1),
    });
    await this.#objects.flush();
    await this.#torrents.flush();
    await this.#metadata.flush();
    await bundleNumbers.reserve([
      ...cut.prepared.bundlesAdded.map(({ row }) => row.number),
      cut.prepared.metadata.number,
    ]);
    this.#releases.prepare(cut.prepared);
    this.#progress.onPhase("sign");
    await repository.signRelease(cut.prepared.bytes, cut.prepared.number);
    this.#releases.apply(cut.prepared.number, options.clock.wallMs());
    return cut;
  }

  async #clean(wasUnclean: boolean): Promise<void> {
    this.#progress.onPhase("clean");
    await collectGarbage(this.#garbage, this.#context.options.clock.wallMs());
    if (wasUnclean) await sweepOrphans(this.#garbage);
  }

  get #garbage(): GarbageContext {
    const { index, retained } = this.#context;
    return {
      index,
      retained,
      contents: this.#contents,
      releases: this.#releases,
      objects: this.#objects,
      torrents: this.#torrents,
      metadata: this.#metadata,
    };
  }

  #outcome(run: {
    readonly cut: CutRelease | undefined;
    readonly hashed: { readonly files: number; readonly bytes: number };
    readonly failed: readonly RepoPath[];
  }): PublishOutcome {
    const { index } = this.#context;
    const problem = this.#recorder.retentionProblem;
    if (problem !== undefined) {
      this.warn(`contents can't be kept beside TREE (${problem}): they are served from TREE while they stand there`);
      index.setMeta("notRetained", problem);
    }
    return outcomeOf({ ...run, index, warnings: this.#warnings, isRetained: index.meta("notRetained") === undefined });
  }
}

function isSameRoot(a: RootAttributes, b: RootAttributes): boolean {
  return a.mode === b.mode && a.mtimeNs === b.mtimeNs;
}

function openTree(treePath: string): ConfinedDirectory {
  try {
    return ConfinedDirectory.open(treePath);
  } catch (cause) {
    throw new PublisherError("tree-unusable", `TREE can't be published: ${messageOf(cause)}`, { cause });
  }
}

async function lockPublish(stateDirectory: string): Promise<AsyncDisposable> {
  const lock = await acquirePublishLock(stateDirectory, "publish");
  if (!("heldBy" in lock)) return lock;
  const holder = lock.heldBy.pid === undefined ? "another process" : `process ${lock.heldBy.pid}`;
  throw new PublisherError("publish-running", `${holder} is publishing this tree`);
}

/** State and work directory must not be published themselves. */
function assertOutside({ stateDirectory, treePath, workDirectory }: PublishOptions): void {
  const tree = `${realpathSync(treePath)}/`;
  for (const directory of [workDirectory, stateDirectory]) {
    const real = `${realOrResolved(directory)}/`;
    if (!real.startsWith(tree) || real.startsWith(`${tree}.prsync/`)) continue;
    throw new PublisherError(
      "work-directory-unusable",
      `directory "${directory}" lies inside TREE; choose one outside`,
    );
  }
}

function realOrResolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

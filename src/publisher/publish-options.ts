import type { Clock } from "../core/clock.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { FileGroup } from "../manifest/file-groups.ts";

/** What one publish is told; paths of local directories. */
export interface PublishOptions {
  readonly treePath: string;
  /** Keys, TUF metadata, publish lock: what can't be rebuilt. */
  readonly stateDirectory: string;
  /** Index, retained contents, objects: on the file system of TREE, not inside it. */
  readonly workDirectory: string;
  /** Piece length of new bundles, a power of two from 16 KiB to 16 MiB. */
  readonly swarmSizeBytes: number;
  /** Block length of signatures: √size or bytes. */
  readonly deltaSize: "sqrt" | number;
  /** CPU time spent on looking into compressed contents; 0 looks into none. */
  readonly lookInsideBudgetCpuSeconds: number;
  /** Publish what lies on file systems mounted inside TREE, too. */
  readonly crossFileSystems: boolean;
  /** Entries name user and group (numbers); undefined: as the publish before had it. */
  readonly keepsOwners: boolean | undefined;
  /** Files whose contents lie together in new bundles. */
  readonly groups: readonly FileGroup[];
  readonly clock: Clock;
}

export const DEFAULT_PUBLISH_OPTIONS: Pick<
  PublishOptions,
  "swarmSizeBytes" | "deltaSize" | "lookInsideBudgetCpuSeconds" | "crossFileSystems" | "keepsOwners" | "groups"
> = {
  swarmSizeBytes: 64 * 1024,
  deltaSize: "sqrt",
  // About 2 GB of what level 9 unpacks to.
  lookInsideBudgetCpuSeconds: 120,
  crossFileSystems: false,
  keepsOwners: undefined,
  groups: [],
};

/** Told at most about ten times a second, and once at the end of each phase. */
export interface PublishProgress {
  onPhase(name: PublishPhase): void;
  /** Paths found so far. */
  onScan(count: number): void;
  /** Bytes read of all that have to be read, and files read. */
  onHash(doneBytes: number, totalBytes: number, files: number): void;
}

export type PublishPhase = "scan" | "hash" | "look inside" | "manifest" | "sign" | "clean";

export interface PublishCounts {
  /** Of the release that is current afterwards. */
  readonly entries: number;
  readonly files: number;
  /** Each path counts. */
  readonly bytes: number;
  readonly contents: number;
  /** Paths, against the release before. */
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** Contents that went into new bundles. */
  readonly newContents: number;
  readonly newBytes: number;
  /** Files and bytes read in this run. */
  readonly hashedFiles: number;
  readonly hashedBytes: number;
}

export interface PublishOutcome {
  /** Number of the new release; undefined if nothing changed. */
  readonly release: number | undefined;
  /** Release that is current afterwards. */
  readonly current: number;
  readonly isFirst: boolean;
  readonly counts: PublishCounts;
  /** For people, one line each. */
  readonly warnings: readonly string[];
  /** Paths that could not be read as they stand, so that their previous entry stayed or they were left out: exit code 24. */
  readonly changedWhileRead: readonly RepoPath[];
  /** False if contents can't be kept beside TREE, so that they are served from TREE itself. */
  readonly retained: boolean;
}

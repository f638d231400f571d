import { parentPort } from "node:worker_threads";
import type { RepoPath } from "../core/repo-path.ts";
import { loadStrongSum } from "../delta/strong-sum.ts";
import { ConfinedDirectory } from "../store/confined-directory.ts";
import { hashFileBelow, type HashOutcome, type HashSettings } from "./hash-file.ts";

/** Several files for one thread. */
export interface HashBatch {
  /** "/proc/self/fd/N/" of the open directory the paths start from: threads share descriptors. */
  readonly root: string;
  readonly paths: readonly RepoPath[];
  readonly settings: HashSettings;
}

/** Outcomes in the order of the batch's paths. */
export type HashBatchResult = readonly HashOutcome[];

const strongSum = await loadStrongSum();

function hashBatch(batch: HashBatch): HashBatchResult {
  using root = ConfinedDirectory.open(batch.root);
  return batch.paths.map((path) => hashFileBelow(root, path, { settings: batch.settings, strongSum }));
}

parentPort?.on("message", (batch: HashBatch) => parentPort?.postMessage(hashBatch(batch)));

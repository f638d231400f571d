import { copyIntoShared } from "./piece-memory.ts";
import type { StagingTask, StagingTaskResult, StagingTaskRunner } from "./staging-task.ts";
import { BARE } from "./staging-task.ts";

/** A whole small content, see {@link StagingTask}. */
type WholeTask = Extract<StagingTask, { kind: "whole" }>;

/** Up to this a whole content travels with others: copying it costs less than moving its memory. */
export const SMALL_FILE_BYTES: number = 64 * 1024;
/** Bytes of one batch: a hundred files of 10 kB, about 5 ms of work. */
export const BATCH_BYTES: number = 1024 * 1024;

/**
 * Whole small contents on their way to another thread, column by column: their bytes one after the other in shared memory, which
 * is used again once they are done. A message with an object and memory of its own for each took as long as the hash of 10 kB.
 */
export interface SmallFileBatch {
  readonly memory: SharedArrayBuffer;
  readonly paths: readonly string[];
  /** SHA-256 in hex. */
  readonly digests: readonly string[];
  readonly lengths: readonly number[];
  readonly modes: readonly (number | undefined)[];
  readonly mtimesNs: readonly (bigint | undefined)[];
  /** Of all of them. */
  readonly isSparse: boolean;
}

/** What became of one of them; an error travels apart. */
const OUTCOME = { wrong: 0, right: 1, bare: 2, failed: 3 } as const;

export interface SmallFileOutcomes<Failure> {
  readonly outcomes: Uint8Array;
  /** Of those that failed, in order. */
  readonly failures: readonly Failure[];
}

export function isSmallWhole(task: StagingTask): task is WholeTask {
  if (task.kind !== "whole" || task.bytes.length > SMALL_FILE_BYTES) return false;
  return task.expected.algorithm === "sha256" && task.expected.paddedLength === task.bytes.length;
}

/** @param tasks each {@link isSmallWhole}, together at most {@link BATCH_BYTES}, all sparse or none */
export function packSmallFiles(tasks: readonly WholeTask[], memory: SharedArrayBuffer): SmallFileBatch {
  const bytes = new Uint8Array(memory);
  let offset = 0;
  for (const task of tasks) {
    copyIntoShared(bytes, offset, task.bytes);
    offset += task.bytes.length;
  }
  return {
    memory,
    paths: tasks.map((task) => task.path),
    digests: tasks.map((task) => task.expected.digest),
    lengths: tasks.map((task) => task.bytes.length),
    modes: tasks.map((task) => task.attributes?.mode),
    mtimesNs: tasks.map((task) => task.attributes?.mtimeNs),
    isSparse: tasks[0]?.isSparse === true,
  };
}

/** Checks and writes each; one that fails does not keep the others. */
export function runSmallFiles<Failure>(
  batch: SmallFileBatch,
  runner: StagingTaskRunner,
  failureOf: (error: unknown) => Failure,
): SmallFileOutcomes<Failure> {
  const outcomes = new Uint8Array(batch.paths.length);
  const failures: Failure[] = [];
  let offset = 0;
  for (const [index, path] of batch.paths.entries()) {
    const length = batch.lengths[index]!;
    const bytes = new Uint8Array(batch.memory, offset, length);
    offset += length;
    const expected = { algorithm: "sha256", digest: batch.digests[index]!, paddedLength: length } as const;
    const [mode, mtimeNs] = [batch.modes[index], batch.mtimesNs[index]];
    const attributes = mode === undefined || mtimeNs === undefined ? undefined : { mode, mtimeNs };
    try {
      outcomes[index] = codeOf(
        runner.run({ kind: "whole", path, bytes, expected, isSparse: batch.isSparse, attributes }),
      );
    } catch (error) {
      outcomes[index] = OUTCOME.failed;
      failures.push(failureOf(error));
    }
  }
  return { outcomes, failures };
}

function codeOf(result: StagingTaskResult): number {
  return result === true ? OUTCOME.right : result === BARE ? OUTCOME.bare : OUTCOME.wrong;
}

/** The result of each, in order; what failed is told as its failure. */
export function* unpackOutcomes<Failure>({
  outcomes,
  failures,
}: SmallFileOutcomes<Failure>): Generator<{ readonly result: StagingTaskResult } | { readonly failure: Failure }> {
  let failed = 0;
  for (const code of outcomes) {
    if (code === OUTCOME.failed) yield { failure: failures[failed++]! };
    else yield { result: code === OUTCOME.bare ? BARE : code === OUTCOME.right };
  }
}

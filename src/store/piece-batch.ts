import * as fs from "node:fs";
import { writeSparseSync } from "./sparse-write.ts";
import { type StagingTask, type StagingTaskRunner, writeExactly } from "./staging-task.ts";

/** A piece, see {@link StagingTask}. */
type PieceTask = Extract<StagingTask, { kind: "piece" }>;

/** Bytes of one batch: few enough that answers come often. */
export const PIECE_BATCH_BYTES: number = 2 * 1024 * 1024;
/** Written by one call: what was just hashed is in the processor's cache still. */
const RUN_BYTES: number = 512 * 1024;

/**
 * Whole pieces on their way to another thread, column by column; their bytes are in memory that both see. An object of its own for
 * each, and its memory moved over, took the two threads as long as its SHA-1.
 */
export interface PieceBatch {
  readonly memories: readonly SharedArrayBuffer[];
  /** Within the memory. */
  readonly offsets: readonly number[];
  readonly descriptors: readonly number[];
  /** Within the content. */
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  readonly paddedLengths: readonly number[];
  /** SHA-1 in hex. */
  readonly digests: readonly string[];
  /** Of the growing SHA-256 that they go on with. */
  readonly keys: readonly (number | undefined)[];
  /** Of all of them. */
  readonly isSparse: boolean;
}

const OUTCOME = { wrong: 0, right: 1, failed: 2 } as const;

export interface PieceOutcomes<Failure> {
  readonly outcomes: Uint8Array;
  /** Of those that failed, in order. */
  readonly failures: readonly Failure[];
}

/** Whether it came whole, into memory that the threads see. */
export function isSharedPiece(task: StagingTask): task is PieceTask {
  if (task.kind !== "piece" || task.expected.algorithm !== "sha1") return false;
  const [first] = task.received;
  return first?.bytes.length === task.lengthBytes && first.bytes.buffer instanceof SharedArrayBuffer;
}

/** @param tasks each {@link isSharedPiece}, all sparse or none */
export function packPieces(tasks: readonly PieceTask[]): PieceBatch {
  return {
    memories: tasks.map(({ received }) => received[0]!.bytes.buffer as unknown as SharedArrayBuffer),
    offsets: tasks.map(({ received }) => received[0]!.bytes.byteOffset),
    descriptors: tasks.map(({ descriptor }) => descriptor),
    starts: tasks.map(({ start }) => start),
    lengths: tasks.map(({ lengthBytes }) => lengthBytes),
    paddedLengths: tasks.map(({ expected }) => expected.paddedLength),
    digests: tasks.map(({ expected }) => expected.digest),
    keys: tasks.map(({ key }) => key),
    isSparse: tasks[0]?.isSparse === true,
  };
}

/** Checks all, and writes those that are right, neighbours of a file together. */
export function runPieces<Failure>(
  batch: PieceBatch,
  runner: StagingTaskRunner,
  failureOf: (error: unknown) => Failure,
): PieceOutcomes<Failure> {
  const outcomes = new Uint8Array(batch.lengths.length);
  const failures: Failure[] = [];
  for (let from = 0; from < outcomes.length;) {
    const run = rightRun(batch, from, runner);
    // Wrong bytes of a peer do not even get to the disk.
    if (run.length === 0) {
      outcomes[from++] = OUTCOME.wrong;
      continue;
    }
    const to = from + run.length;
    try {
      writeRun(batch, from, run);
      outcomes.fill(OUTCOME.right, from, to);
    } catch (error) {
      // Of a file that may lack them no SHA-256 is known any more.
      for (const key of new Set(batch.keys.slice(from, to))) if (key !== undefined) runner.forget(key);
      outcomes.fill(OUTCOME.failed, from, to);
      for (const _ of run) failures.push(failureOf(error));
    }
    from = to;
  }
  return { outcomes, failures };
}

/** One answer per piece. */
export function unpackPieceOutcomes<Failure>({
  outcomes,
  failures,
}: PieceOutcomes<Failure>): ({ readonly result: boolean } | { readonly failure: Failure })[] {
  let failed = 0;
  return Array.from(outcomes, (outcome) =>
    outcome === OUTCOME.failed ? { failure: failures[failed++]! } : { result: outcome === OUTCOME.right },
  );
}

/** The right pieces from there on that lie side by side in one file; all went into their SHA-256. */
function rightRun(batch: PieceBatch, from: number, runner: StagingTaskRunner): Uint8Array[] {
  const run: Uint8Array[] = [];
  let bytes = 0;
  for (let index = from; index < batch.lengths.length && bytes < RUN_BYTES; index++) {
    const isNext = index === from || isBeside(batch, index - 1);
    const piece = new Uint8Array(batch.memories[index]!, batch.offsets[index], batch.lengths[index]);
    const expected = {
      algorithm: "sha1",
      digest: batch.digests[index]!,
      paddedLength: batch.paddedLengths[index]!,
    } as const;
    if (!isNext || !runner.takePiece(piece, expected, { key: batch.keys[index], start: batch.starts[index]! })) break;
    run.push(piece);
    bytes += piece.length;
  }
  return run;
}

function isBeside({ descriptors, starts, lengths }: PieceBatch, index: number): boolean {
  return descriptors[index] === descriptors[index + 1] && starts[index]! + lengths[index]! === starts[index + 1];
}

function writeRun({ descriptors, starts, isSparse }: PieceBatch, from: number, run: readonly Uint8Array[]): void {
  const descriptor = descriptors[from]!;
  let offset = starts[from]!;
  // Both are rare: holes to be left, and a disk that takes a part only and says why with the next call.
  let done = isSparse ? 0 : fs.writevSync(descriptor, run, offset);
  for (const piece of run) {
    const rest = piece.subarray(Math.min(done, piece.length));
    (isSparse ? writeSparseSync : writeExactly)(descriptor, rest, offset + piece.length - rest.length);
    done = Math.max(0, done - piece.length);
    offset += piece.length;
  }
}

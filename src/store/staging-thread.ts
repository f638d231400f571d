import { parentPort } from "node:worker_threads";
import { type PieceBatch, type PieceOutcomes, runPieces } from "./piece-batch.ts";
import { runSmallFiles, type SmallFileBatch, type SmallFileOutcomes } from "./small-file-batch.ts";
import { StagingTaskRunner, type StagingTask, type StagingTaskResult } from "./staging-task.ts";

/** System errors lose code and number on the way between threads, so these travel apart. */
export interface StagingTaskFailure {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
}

export type StagingAnswer = { readonly result: StagingTaskResult } | { readonly failure: StagingTaskFailure };

/** What a thread is given at a time. */
export interface StagingWork {
  readonly small: SmallFileBatch | undefined;
  readonly pieces: PieceBatch | undefined;
  readonly tasks: readonly StagingTask[];
}

export interface StagingAnswers {
  readonly small: SmallFileOutcomes<StagingTaskFailure> | undefined;
  readonly pieces: PieceOutcomes<StagingTaskFailure> | undefined;
  readonly tasks: readonly StagingAnswer[];
}

const runner = new StagingTaskRunner();

function failureOf(error: unknown): StagingTaskFailure {
  const { message, code, errno } = error as NodeJS.ErrnoException;
  return { message, code, errno };
}

function answer(task: StagingTask): StagingAnswer {
  try {
    return { result: runner.run(task) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

parentPort?.on("message", ({ small, pieces, tasks }: StagingWork) => {
  const answers: StagingAnswers = {
    small: small && runSmallFiles(small, runner, failureOf),
    pieces: pieces && runPieces(pieces, runner, failureOf),
    tasks: tasks.map(answer),
  };
  parentPort?.postMessage(answers);
});

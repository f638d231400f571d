import { parentPort } from "node:worker_threads";
import { StagingTaskRunner, type StagingTask, type StagingTaskResult } from "./staging-task.ts";

/** System errors lose code and number on the way between threads, so these travel apart. */
export interface StagingTaskFailure {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
}

export type StagingAnswer = { readonly result: StagingTaskResult } | { readonly failure: StagingTaskFailure };

const runner = new StagingTaskRunner();

function answer(task: StagingTask): StagingAnswer {
  try {
    return { result: runner.run(task) };
  } catch (error) {
    const { message, code, errno } = error as NodeJS.ErrnoException;
    return { failure: { message, code, errno } };
  }
}

parentPort?.on("message", (tasks: readonly StagingTask[]) => parentPort?.postMessage(tasks.map(answer)));

import type { CancelTimer, Clock } from "../core/clock.ts";

export interface PeriodicTask {
  readonly intervalMs: number;
  run(): Promise<void>;
  onError(error: unknown): void;
}

/**
 * Runs a task again and again, the pause counted from the end of the last run; errors do not stop it. Disposing waits for
 * a run under way.
 */
export function startPeriodic(clock: Clock, task: PeriodicTask): AsyncDisposable {
  let isStopped = false;
  let running: Promise<void> = Promise.resolve();
  let cancel: CancelTimer;
  const schedule = (): void => {
    cancel = clock.schedule(task.intervalMs, () => {
      running = task
        .run()
        .catch((error: unknown) => task.onError(error))
        .finally(() => (isStopped ? undefined : schedule()));
    });
  };
  schedule();
  return {
    [Symbol.asyncDispose]: async () => {
      isStopped = true;
      cancel();
      await running;
    },
  };
}

import type { SyncPlan } from "../plan/plan-sync.ts";
import type { SyncLog } from "./sync-log.ts";

export type SyncStage = "release" | "manifest" | "inventory" | "reuse" | "download" | "activate";

/** Whom a sync tells how far it is. */
export interface SyncProgress {
  onStage(stage: SyncStage): void;
  onPlan(plan: SyncPlan): void;
  /** Content bytes received of those that had to come from elsewhere. */
  onBytes(receivedBytes: number, wantedBytes: number): void;
}

/** For runs that nobody watches. */
export const SILENT_PROGRESS: SyncProgress = {
  onStage: () => undefined,
  onPlan: () => undefined,
  onBytes: () => undefined,
};

/** Tells `progress` and leaves a line per stage in the log, so that a run that ended badly shows where it was. */
export function loggingStages(progress: SyncProgress, log: SyncLog): SyncProgress {
  return {
    onStage: (stage) => {
      log.debug({ stage }, "sync stage");
      progress.onStage(stage);
    },
    onPlan: (plan) => {
      log.debug({ paths: plan.decisions.length, contents: plan.contents.length }, "sync plan");
      progress.onPlan(plan);
    },
    onBytes: (receivedBytes, wantedBytes) => progress.onBytes(receivedBytes, wantedBytes),
  };
}

/** The progress of one window after others that brought so many bytes. */
export function addingTo(progress: SyncProgress, doneBytes: number): SyncProgress {
  const onBytes: SyncProgress["onBytes"] = (received, wanted) =>
    progress.onBytes(doneBytes + received, doneBytes + wanted);
  return { ...progress, onBytes };
}

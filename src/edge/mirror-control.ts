import { messageOf } from "../core/errors.ts";
import { displayPath } from "../core/repo-path.ts";
import type { ControlHandler } from "../net/control-server.ts";
import type { MirrorDaemon } from "./daemon.ts";
import type { Mirror } from "./mirror.ts";
import { mirrorStatus } from "./mirror-status.ts";
import { SILENT_PROGRESS, type SyncProgress } from "./sync-progress.ts";
import { lookAgain, verifyMirror } from "./verify-mirror.ts";

/** What other commands of the same DEST may ask of a running daemon. */
export function mirrorControl(mirror: Mirror, daemon: MirrorDaemon): ReadonlyMap<string, ControlHandler> {
  return new Map<string, ControlHandler>([
    [
      "status",
      async () => ({
        ...mirrorStatus(mirror),
        lastSync: daemon.lastSummary ?? null,
        lastError: daemon.lastError ?? null,
      }),
    ],
    [
      "sync",
      async (_argument, call) => {
        const progress: SyncProgress = {
          onStage: (stage) => call.progress({ stage }),
          onPlan: (plan) => call.progress({ contents: plan.contents.length }),
          onBytes: (received, wanted) => call.progress({ received, wanted }),
        };
        const { summary, failures, hasTooManyRemovals } = await daemon.syncNow(progress);
        const told = failures.map(({ path, error }) => ({ path: displayPath(path), reason: messageOf(error) }));
        return { summary, failures: told, hasTooManyRemovals };
      },
    ],
    [
      "verify",
      async (argument, call) => {
        const found = await verifyMirror(mirror, call.signal);
        const bad = found.bad.map(({ path, verdict }) => ({ path: displayPath(path), verdict }));
        if (argument !== "repair" || bad.length === 0)
          return { ...found, bad, unmended: [], unwanted: [], hasTooManyRemovals: false };
        const { hasTooManyRemovals } = await daemon.syncNow(SILENT_PROGRESS);
        const { unmended, unwanted } = await lookAgain(mirror, found.bad, call.signal);
        const left = { unmended: unmended.map(displayPath), unwanted: unwanted.map(displayPath) };
        return { ...found, bad, ...left, hasTooManyRemovals };
      },
    ],
  ]);
}

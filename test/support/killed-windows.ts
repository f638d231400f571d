// Run as a program of its own by killed-first-sync.test.ts: one sync in windows of few paths that kills itself.
import { seededRandom } from "../../src/core/clock.ts";
import { openMirror } from "../../src/edge/mirror.ts";
import { runSync } from "../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../src/edge/sync-progress.ts";
import { realClock } from "../../src/net/real-clock.ts";
import { DEFAULT_SWARM_LIMITS } from "../../src/net/swarm-options.ts";
import { UNLIMITED_BANDWIDTH } from "../../src/swarm/host-bandwidth.ts";
import { parseTicket } from "../../src/trust/ticket.ts";

/** The one argument, as JSON. */
export interface KilledWindows {
  readonly destinationPath: string;
  readonly stateDirectory: string;
  readonly ticket: string;
  readonly windowPaths: number;
  /** kill -9 so long after so many stages began; windows repeat them. Undefined: the run is let through. */
  readonly killed?: { readonly stages: number; readonly afterMs: number } | undefined;
}

/** The last line it prints unless it was killed. */
export interface EndedWindows {
  readonly stages: number;
  readonly fetched: number;
  readonly failures: number;
}

const told = JSON.parse(process.argv[2]!) as KilledWindows;
let stages = 0;
const onStage = (): void => {
  if (++stages !== told.killed?.stages) return;
  const kill = (): void => void process.kill(process.pid, "SIGKILL");
  if (told.killed.afterMs === 0) kill();
  else setTimeout(kill, told.killed.afterMs);
};
const quiet = (): void => undefined;
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
await using mirror = await openMirror(
  {
    destinationPath: told.destinationPath,
    stateDirectory: told.stateDirectory,
    ticket: parseTicket(told.ticket),
    peerHost: "127.0.0.1",
    peerPort: 0,
    patience: { noSourceMs: 2_000, noProgressMs: 10_000 },
    swarmLimits: DEFAULT_SWARM_LIMITS,
    bandwidth: UNLIMITED_BANDWIDTH,
    command: "test",
    selection: undefined,
  },
  { clock: realClock, random: seededRandom(1), log, signal: new AbortController().signal },
);
const { summary, failures } = await runSync(
  mirror,
  {
    plan: { checksum: false, sizeOnly: false, useDelta: true, removal: "all", sharesInodes: false },
    findsBy: "blocks",
    savesTraffic: false,
    rescanMs: 0,
    maxDelete: undefined,
    removeAfterMs: undefined,
    last: [],
    windowPaths: told.windowPaths,
    keepsChanges: false,
  },
  { ...SILENT_PROGRESS, onStage },
);
const ended: EndedWindows = { stages, fetched: summary.files.fetched, failures: failures.length };
console.log(JSON.stringify(ended));

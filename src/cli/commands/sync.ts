import { join } from "node:path";
import { displayPath } from "../../core/repo-path.ts";
import { messageOf } from "../../core/errors.ts";
import { MIRROR_CONTROL_SOCKET } from "../../edge/mirror-control.ts";
import { linger, parseLinger, type Linger } from "../../edge/linger.ts";
import { openMirror } from "../../edge/mirror.ts";
import { runSync, type SyncOutcome } from "../../edge/sync-job.ts";
import type { SyncProgress, SyncStage } from "../../edge/sync-progress.ts";
import { verifyAdopted } from "../../edge/verify-held.ts";
import { realClock } from "../../net/real-clock.ts";
import { wildcardHost } from "../../net/wildcard-host.ts";
import { describeSync, type SyncSummary } from "../../report/sync-summary.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import {
  JSON_OPTION,
  logLevelOf,
  QUIET_OPTION,
  STATE_OPTION,
  stateDirectoryOf,
  VERBOSE_OPTION,
} from "../load-options.ts";
import { MIRROR_OPTIONS, mirrorOptions, syncOptions, ticketAndDestination } from "../mirror-options.ts";
import { SELECTION_OPTIONS } from "../selection-options.ts";
import { createSyncProgress } from "../progress-line.ts";
import { askRunning } from "../running-program.ts";

/** `prsync sync [TICKET] DEST` */
export const syncCommand: Command = {
  name: "sync",
  summary: "mirror: bring a directory to the newest release, once",
  description:
    "Fetches what DEST lacks from other mirrors and, last, from central; keeps what it has under any name. With a running\n" +
    "`prsync daemon` on DEST it asks that to sync now. The ticket is needed only the first time; it may be @FILE, - or\n" +
    "PRSYNC_TICKET. Without --delete nothing is removed.",
  positionals: [{ name: "TICKET", isOptional: true }, { name: "DEST" }],
  options: [
    { name: "delete", kind: "flag", help: "remove everything in DEST that the release lacks" },
    {
      name: "linger",
      kind: "text",
      placeholder: "15m|ratio:1",
      help: "give to others for a time, or until as much was given as taken",
    },
    ...MIRROR_OPTIONS,
    STATE_OPTION,
    JSON_OPTION,
    QUIET_OPTION,
    VERBOSE_OPTION,
  ],
  run: runSyncCommand,
};

async function runSyncCommand(args: ParsedArguments, context: CommandContext): Promise<number> {
  const { ticket, destinationPath } = ticketAndDestination(args, context);
  const lingerOption = readLinger(args);
  const options = syncOptions(args, { removal: args.flag("delete") ? "all" : "none", maxDelete: undefined });
  const running = await syncByDaemon(destinationPath, args, context);
  if (running !== undefined) return report(running, args, context);
  const log = context.createLogger(
    args.flag("quiet") || (!args.flag("verbose") && !args.flag("json")) ? "quiet" : logLevelOf(args),
  );
  const place = { ticket, destinationPath, peerHost: await wildcardHost(), command: "prsync sync" };
  const ports = { clock: realClock, random: Math.random, log, signal: context.signal };
  await using mirror = await openMirror(mirrorOptions(args, context, place), ports);
  const progress = createSyncProgress(progressTerminal(args, context));
  const outcome = await runSync(mirror, options, progress);
  progress.clear();
  const code = report(outcome, args, context);
  if (lingerOption !== undefined) {
    await verifyAdopted(mirror, context.signal);
    await linger(mirror, lingerOption);
  }
  return code;
}

function readLinger(args: ParsedArguments): Linger | undefined {
  const text = args.text("linger");
  if (text === undefined) return undefined;
  const parsed = parseLinger(text);
  if (parsed === undefined) throw new UsageError([`--linger: expected a time like 15m or ratio:1, got "${text}"`]);
  return parsed;
}

function progressTerminal(args: ParsedArguments, context: CommandContext): typeof process.stderr | undefined {
  return context.isTerminal && !args.flag("json") && !args.flag("quiet") ? process.stderr : undefined;
}

/** Options that a running daemon does not take over from a call: it has its own. */
const DAEMON_DECIDES: readonly string[] = [
  ...SELECTION_OPTIONS.map(({ name }) => name),
  "delete",
  "linger",
  "delta-size",
  "checksum",
  "size-only",
  "max-delete",
  "rescan",
  "save-traffic",
  "bwlimit",
  "max-connections",
];

interface Reported {
  readonly summary: SyncSummary;
  readonly failures: readonly { readonly path: string; readonly reason: string }[];
  readonly hasTooManyRemovals: boolean;
}

/** Undefined if no daemon runs for this directory. */
async function syncByDaemon(
  destinationPath: string,
  args: ParsedArguments,
  context: CommandContext,
): Promise<Reported | undefined> {
  const socket = join(stateDirectoryOf(destinationPath, args, context), MIRROR_CONTROL_SOCKET);
  const progress = createSyncProgress(progressTerminal(args, context));
  const answer = await askRunning(socket, {
    command: "sync",
    signal: context.signal,
    onProgress: (told) => drawTold(told, progress),
  });
  progress.clear();
  if (answer === undefined) return undefined;
  const ignored = DAEMON_DECIDES.filter((name) => args.isGiven(name)).map((name) => `--${name}`);
  if (ignored.length > 0)
    context.complain(`prsync: warning: the running daemon synced by its own options, not by ${ignored.join(", ")}`);
  return answer.result as Reported;
}

function drawTold(told: unknown, progress: SyncProgress): void {
  const { stage, received, wanted } = told as { stage?: SyncStage; received?: number; wanted?: number };
  if (stage !== undefined) progress.onStage(stage);
  if (received !== undefined && wanted !== undefined) progress.onBytes(received, wanted);
}

function report(outcome: SyncOutcome | Reported, args: ParsedArguments, context: CommandContext): number {
  const failures = outcome.failures.map((failure) =>
    "reason" in failure ? failure : { path: displayPath(failure.path), reason: messageOf(failure.error) },
  );
  for (const { path, reason } of failures) context.complain(`prsync: update of "${path}" failed: ${reason}`);
  if (args.flag("json")) context.print(JSON.stringify(outcome.summary));
  else if (!args.flag("quiet")) context.print(describeSync(outcome.summary));
  if (outcome.hasTooManyRemovals) {
    context.complain("prsync: nothing was removed: more paths would have gone than --max-delete allows");
    context.complain(`prsync error: max-delete (code ${EXIT.maxDelete})`);
    return EXIT.maxDelete;
  }
  if (failures.length === 0) return EXIT.ok;
  context.complain(`prsync error: some files could not be updated (code ${EXIT.someFilesFailed})`);
  return EXIT.someFilesFailed;
}

import { join } from "node:path";
import { displayPath } from "../../core/repo-path.ts";
import { messageOf } from "../../core/errors.ts";
import { MIRROR_CONTROL_SOCKET } from "../../edge/control-socket.ts";
import { waitForDestination } from "../../edge/destination-queue.ts";
import { linger, parseLinger, type Linger } from "../../edge/linger.ts";
import type { MirrorSituation } from "../../edge/mirror-situation.ts";
import { openMirror, type Mirror, type MirrorOptions } from "../../edge/mirror.ts";
import { predictSync } from "../../edge/dry-run.ts";
import { runSync, type SyncOutcome } from "../../edge/sync-job.ts";
import type { SyncProgress, SyncStage } from "../../edge/sync-progress.ts";
import { verifyAdopted } from "../../edge/verify-held.ts";
import { realClock } from "../../net/real-clock.ts";
import { wildcardHost } from "../../net/wildcard-host.ts";
import { describeStats } from "../../report/sync-stats.ts";
import { describeSync, type SyncSummary } from "../../report/sync-summary.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import { ATTRIBUTE_OPTIONS } from "../attribute-options.ts";
import type { Command, CommandContext } from "../command.ts";
import { LOG_FILE_OPTION, loggingContext, openLogFile, type LogFile } from "../log-file.ts";
import { endingInMaxDelete, exitCodeOfOutcome, itemizedLines, logLines, statsFacts } from "../sync-report.ts";
import { EXIT } from "../exit-codes.ts";
import type { HookError } from "../hook-error.ts";
import {
  CONFIG_OPTION,
  JSON_OPTION,
  LOG_FORMAT_OPTION,
  logFormatOf,
  logLevelOf,
  parseBaseUrl,
  QUIET_OPTION,
  STATE_OPTION,
  stateDirectoryOf,
  VERBOSE_OPTION,
} from "../load-options.ts";
import { MIRROR_OPTIONS, mirrorOptions, syncOptions, ticketAndDestination } from "../mirror-options.ts";
import { keepHeapSmall } from "../small-heap.ts";
import { SELECTION_OPTIONS } from "../selection-options.ts";
import { createSyncProgress } from "../progress-line.ts";
import { askRunning } from "../running-program.ts";
import { RSYNC_WORDS } from "../rsync-words.ts";
import { HOOK_OPTIONS, SyncHooks } from "../sync-hooks.ts";

/** `prsync sync [TICKET] DEST` */
export const syncCommand: Command = {
  name: "sync",
  summary: "mirror: bring a directory to the newest release, once",
  description:
    "Fetches what DEST lacks from other mirrors and, last, from central; keeps what it has under any name. With a running\n" +
    "`prsync daemon` on DEST it asks that to sync now. The ticket is needed only the first time; it may be @FILE, - or\n" +
    "PRSYNC_TICKET. Without --delete nothing is removed. If another run has DEST, it waits for that and syncs then.",
  positionals: [{ name: "TICKET", isOptional: true }, { name: "DEST" }],
  explains: RSYNC_WORDS,
  options: [
    { name: "delete", kind: "flag", help: "remove everything in DEST that the release lacks" },
    { name: "delete-delay", kind: "flag", help: "as --delete: removals always come last" },
    { name: "dry-run", kind: "flag", short: "n", isOnce: true, help: "tell what would be done and change nothing" },
    { name: "itemize-changes", kind: "flag", short: "i", help: "a line per change, in rsync's format" },
    { name: "stats", kind: "flag", help: "figures in rsync's format in place of the summary" },
    {
      name: "progress",
      kind: "flag",
      help: "a bar with rate and time left (always so on a terminal, never in a pipe)",
    },
    {
      name: "linger",
      kind: "text",
      check: readLinger,
      placeholder: "15m|ratio:1",
      help: "give to others for a time, or until as much was given as taken",
    },
    {
      name: "public-url",
      kind: "text",
      placeholder: "URL",
      check: (text) => parseBaseUrl(text, "public-url"),
      help: "a web server of yours gives DEST to customers there, also between two runs",
    },
    {
      name: "expect",
      kind: "duration",
      placeholder: "24h",
      help: "with --public-url: time between two runs; customers come until the next is twice overdue",
    },
    {
      name: "wait",
      kind: "duration",
      placeholder: "TIME",
      help: "how long to wait for another run that has DEST (default: as long as it takes; 0: not at all)",
    },
    ...MIRROR_OPTIONS,
    ...HOOK_OPTIONS,
    LOG_FILE_OPTION,
    LOG_FORMAT_OPTION,
    CONFIG_OPTION,
    STATE_OPTION,
    JSON_OPTION,
    QUIET_OPTION,
    VERBOSE_OPTION,
  ],
  run: runSyncCommand,
};

async function runSyncCommand(args: ParsedArguments, outer: CommandContext): Promise<number> {
  keepHeapSmall();
  const logFile = openLogFile(args);
  const context = loggingContext(outer, logFile, logFormatOf(args));
  try {
    return await synchronise(args, context, logFile);
  } catch (error) {
    logFile?.write([`prsync: ${messageOf(error)}`]);
    throw error;
  }
}

async function synchronise(args: ParsedArguments, context: CommandContext, logFile?: LogFile): Promise<number> {
  const { ticket, destinationPath } = ticketAndDestination(args, context);
  const lingerText = args.text("linger");
  const asksToDelete = ["delete", "delete-delay", "delete-after-age"].some((name) => args.isGiven(name));
  const isDeleting = asksToDelete && !args.typed.withdrawn.has("delete");
  if (args.isGiven("quota") && !isDeleting)
    throw new UsageError([
      "--quota needs --delete: what is no longer among the newest must be removed to stay within it",
    ]);
  const options = syncOptions(args, { removal: isDeleting ? "all" : "none", maxDelete: undefined });
  const isDryRun = args.flag("dry-run");
  const customers = customersMeanwhile(args);
  const lingerOption = lingerText === undefined || isDryRun ? undefined : readLinger(lingerText);
  if (isDryRun && args.isTyped("linger")) throw new UsageError(["--dry-run and --linger contradict each other"]);
  const log = context.createLogger(
    args.flag("quiet") || (!args.flag("verbose") && !args.flag("json")) ? "quiet" : logLevelOf(args),
  );
  const command = isDryRun ? "prsync sync --dry-run" : "prsync sync";
  const place = { ticket, destinationPath, peerHost: await wildcardHost(), command, isTrial: isDryRun };
  const ports = { clock: realClock, random: Math.random, log, signal: context.signal };
  const opening = mirrorOptions(args, context, place);
  const open = (): Promise<Mirror> => openMirror(opening, ports);
  const opened = isDryRun ? await open() : await openOrAsk(open, opening, { args, context });
  if ("summary" in opened) return report(opened, args, context);
  await using mirror = opened;
  Object.assign(mirror.situation, customers);
  const progress = createSyncProgress(progressTerminal(args, context));
  let hookError: HookError | undefined;
  const synchroniseHooked = new SyncHooks(args, context).around(runSync, (error) => (hookError = error));
  const outcome = await (isDryRun ? predictSync : synchroniseHooked)(mirror, options, progress).finally(() => {
    progress.clear();
    if (hookError !== undefined) context.complain(`prsync: ${hookError.message}`);
  });
  logFile?.write(logLines(outcome, args));
  const code = report(outcome, args, context);
  const hasCustomers = customers.customerUrl !== undefined && !isDryRun;
  if (lingerOption !== undefined || hasCustomers) await verifyAdopted(mirror, context.signal);
  // Also when there was nothing to do: the next run is due from now on.
  if (hasCustomers) await mirror.announcer.announceNow("completed");
  if (lingerOption !== undefined) await linger(mirror, lingerOption);
  return hookError === undefined ? code : endingInHook(code, context);
}

const DAY_MS = 86_400_000;
const LONGEST_EXPECTED_MS = 30 * DAY_MS;

/** Who serves customers when the run is over. @throws UsageError */
function customersMeanwhile(args: ParsedArguments): Pick<MirrorSituation, "customerUrl" | "expectedMs"> {
  const url = args.text("public-url");
  const expectedMs = args.number("expect");
  if (url === undefined) {
    if (expectedMs !== undefined) throw new UsageError(["--expect needs --public-url: nobody else serves customers"]);
    return { customerUrl: undefined, expectedMs: undefined };
  }
  if (expectedMs !== undefined && (expectedMs < 1_000 || expectedMs > LONGEST_EXPECTED_MS))
    throw new UsageError(["--expect: expected 1s to 30d"]);
  return { customerUrl: parseBaseUrl(url, "public-url"), expectedMs: expectedMs ?? DAY_MS };
}

/** What failed first counts. */
function endingInHook(code: number, context: CommandContext): number {
  if (code !== EXIT.ok) return code;
  context.complain(`prsync error: hook-failed (code ${EXIT.hook})`);
  return EXIT.hook;
}

function readLinger(text: string): Linger {
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
  ...ATTRIBUTE_OPTIONS.map(({ name }) => name),
  ...HOOK_OPTIONS.map(({ name }) => name),
  "delete",
  "delete-delay",
  "delete-after-age",
  "itemize-changes",
  "stats",
  "linger",
  "public-url",
  "expect",
  "delta-size",
  "checksum",
  "size-only",
  "sparse",
  "temp-dir",
  "partial-dir",
  "max-delete",
  "last",
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

/** The mirror, once no other run has it, or what its daemon did. A dry run asks about its own options, not a daemon's, and at once. */
async function openOrAsk(
  open: () => Promise<Mirror>,
  { destinationPath, command }: MirrorOptions,
  { args, context }: { readonly args: ParsedArguments; readonly context: CommandContext },
): Promise<Mirror | Reported> {
  const attempt = async (): Promise<Mirror | Reported> =>
    (await syncByDaemon(destinationPath, args, context)) ?? (await open());
  const onWaiting = (reason: string): void => {
    if (!args.flag("quiet")) context.complain(`prsync: waiting: ${reason}`);
  };
  const { signal } = context;
  const waitMs = args.number("wait") ?? Infinity;
  return await waitForDestination(destinationPath, attempt, { clock: realClock, signal, command, waitMs, onWaiting });
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
  const ignored = DAEMON_DECIDES.filter((name) => args.isTyped(name)).map((name) => `--${name}`);
  if (ignored.length > 0)
    context.complain(`prsync: warning: the running daemon synced by its own options, not by ${ignored.join(", ")}`);
  return answer.result as Reported;
}

function drawTold(told: unknown, progress: SyncProgress): void {
  const { stage, received, wanted } = told as { stage?: SyncStage; received?: number; wanted?: number };
  if (stage !== undefined) progress.onStage(stage);
  if (received !== undefined && wanted !== undefined) progress.onBytes(received, wanted);
}

/** What a daemon did is known by its summary alone. */
function printOutcome(outcome: SyncOutcome | Reported, args: ParsedArguments, context: CommandContext): void {
  const { summary } = outcome;
  const lines = "details" in outcome && args.flag("itemize-changes") ? itemizedLines(outcome.details, args) : undefined;
  if (args.flag("json")) {
    context.print(JSON.stringify(lines === undefined ? summary : { ...summary, changes: [...lines] }));
    return;
  }
  for (const line of lines ?? []) context.print(line);
  if (args.flag("quiet")) return;
  if ("details" in outcome && args.flag("stats")) context.print(describeStats(statsFacts(summary, outcome.details)));
  else context.print(describeSync(summary));
}

function report(outcome: SyncOutcome | Reported, args: ParsedArguments, context: CommandContext): number {
  const failures = outcome.failures.map((failure) =>
    "reason" in failure ? failure : { path: displayPath(failure.path), reason: messageOf(failure.error) },
  );
  for (const { path, reason } of failures) context.complain(`prsync: update of "${path}" failed: ${reason}`);
  printOutcome(outcome, args, context);
  const code = exitCodeOfOutcome(outcome);
  if (code === EXIT.maxDelete) return endingInMaxDelete(context);
  if (code !== EXIT.ok) context.complain(`prsync error: some files could not be updated (code ${code})`);
  return code;
}

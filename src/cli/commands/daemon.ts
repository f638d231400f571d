import { join } from "node:path";
import { displayPath } from "../../core/repo-path.ts";
import { messageOf } from "../../core/errors.ts";
import { serveCustomers } from "../../edge/customer-server.ts";
import { MirrorDaemon, type DaemonOptions } from "../../edge/daemon.ts";
import { MIRROR_CONTROL_SOCKET } from "../../edge/control-socket.ts";
import { mirrorControl } from "../../edge/mirror-control.ts";
import { openMirror, type Mirror } from "../../edge/mirror.ts";
import type { CustomersFrom } from "../../edge/mirror-situation.ts";
import { runSync, type SyncOutcome } from "../../edge/sync-job.ts";
import { listenControl } from "../../net/control-server.ts";
import { baseUrlAt } from "../../net/http-server.ts";
import { realClock } from "../../net/real-clock.ts";
import { wildcardHost } from "../../net/wildcard-host.ts";
import { describeSync } from "../../report/sync-summary.ts";
import { ACCESS_LOG_OPTION, openAccessLog } from "../access-log.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { customersAt } from "../customers-url.ts";
import { EXIT } from "../exit-codes.ts";
import type { LineLogger } from "../line-logger.ts";
import { LOG_FILE_OPTION, loggingContext, openLogFile, type LogFile } from "../log-file.ts";
import {
  CONFIG_OPTION,
  JSON_OPTION,
  LOG_FORMAT_OPTION,
  logFormatOf,
  logLevelOf,
  parseBaseUrl,
  parseListen,
  QUIET_OPTION,
  STATE_OPTION,
  VERBOSE_OPTION,
} from "../load-options.ts";
import { MIRROR_OPTIONS, mirrorOptions, syncOptions, ticketAndDestination } from "../mirror-options.ts";
import { announceReady } from "../ready.ts";
import { REQUEST_RATE_OPTION, requestRateOf } from "../request-rate.ts";
import { RSYNC_WORDS } from "../rsync-words.ts";
import { letGoWhenResting } from "../resting-heap.ts";
import { keepHeapSmall } from "../small-heap.ts";
import { HOOK_OPTIONS, SyncHooks } from "../sync-hooks.ts";
import { logLines } from "../sync-report.ts";

/** `prsync daemon [TICKET] DEST` */
export const daemonCommand: Command = {
  name: "daemon",
  summary: "mirror: follow releases, give to others, serve customers over HTTP",
  description:
    "Keeps DEST at the newest release: told by central at once, and by polling. Seeds what it holds straight from the mirror's\n" +
    "files and serves them over HTTP. Removes exactly what earlier releases brought and the new one lacks. The ticket is needed\n" +
    "only the first time. A central that is down is retried for ever.",
  positionals: [{ name: "TICKET", isOptional: true }, { name: "DEST" }],
  explains: RSYNC_WORDS,
  options: [
    {
      name: "listen",
      kind: "text",
      check: (text) => text === NO_HTTP || parseListen(text, "listen"),
      placeholder: "HOST:PORT|none",
      help: "HTTP for customers (default all addresses, port 7381; port 0 picks one; none: a web server of yours answers, or nobody; peers are then taken on all addresses)",
    },
    {
      name: "public-url",
      kind: "text",
      placeholder: "URL",
      check: (text) => parseBaseUrl(text, "public-url"),
      help: "how customers reach it (default by --listen)",
    },
    {
      name: "proxied",
      kind: "flag",
      help: "what answers at --public-url passes every request on to this program, with its query",
    },
    {
      name: "customers",
      kind: "text",
      placeholder: "any|site|none",
      choices: ["any", "site", "none"],
      help: "whose customers central may send here: any (default), those of its own site, none",
    },
    REQUEST_RATE_OPTION,
    { name: "only-redirected", kind: "flag", help: "serve only customers whom central sent here just now" },
    {
      name: "interval",
      kind: "duration",
      placeholder: "4h",
      help: "between two polls of central; events come in between",
    },
    { name: "now", kind: "flag", help: "poll at once, overdue or not" },
    {
      name: "scrub",
      kind: "duration",
      placeholder: "30d",
      help: "read every file again within that time, mend what is bad (default: never)",
    },
    { name: "no-delete", kind: "flag", help: "remove nothing" },
    ...MIRROR_OPTIONS,
    ...HOOK_OPTIONS,
    ACCESS_LOG_OPTION,
    LOG_FILE_OPTION,
    LOG_FORMAT_OPTION,
    CONFIG_OPTION,
    STATE_OPTION,
    JSON_OPTION,
    QUIET_OPTION,
    VERBOSE_OPTION,
  ],
  run: runDaemon,
};

/** Of `--listen`. */
const NO_HTTP = "none";
/** What only our own HTTP does. */
const HTTP_OPTIONS = ["proxied", "only-redirected", "request-rate", "access-log"] as const;

const FOUR_HOURS_MS = 4 * 3_600_000;
const SHORTEST_INTERVAL_MS = 1_000;

async function runDaemon(args: ParsedArguments, outer: CommandContext): Promise<number> {
  keepHeapSmall();
  const logFile = openLogFile(args);
  const context = loggingContext(outer, logFile, logFormatOf(args));
  const { ticket, destinationPath } = ticketAndDestination(args, context);
  const listenText = args.text("listen");
  const publicUrl = args.text("public-url");
  const log = context.createLogger(logLevelOf(args));
  const synchronise = new SyncHooks(args, context).around(runSync, ({ message }) => {
    log.warn({ reason: message }, "the sync is done, its hook failed");
    if (args.flag("json")) context.print(JSON.stringify({ event: "hook-failed", reason: message }));
  });
  const heap = letGoWhenResting();
  const options = {
    ...daemonOptions(args),
    synchronise: (...sync: Parameters<typeof synchronise>) => synchronise(...sync).finally(() => heap.workEnded()),
  };
  const isProxied = args.flag("proxied");
  if (isProxied && publicUrl === undefined)
    throw new UsageError(["--proxied needs --public-url: where customers meet the proxy"]);
  const named = { publicUrl: publicUrl === undefined ? undefined : parseBaseUrl(publicUrl, "public-url"), isProxied };
  const hasHttp = listenText !== NO_HTTP;
  if (!hasHttp) refuseHttpOptions(args);
  const asked = listenText === undefined || !hasHttp ? { host: "::", port: 7381 } : parseListen(listenText, "listen");
  const place = { ...asked, host: asked.host === "::" ? await wildcardHost() : asked.host };
  const ports = { clock: realClock, random: Math.random, log, signal: context.signal };
  const opening = mirrorOptions(args, context, {
    ticket,
    destinationPath,
    peerHost: place.host,
    command: "prsync daemon",
    isLasting: true,
  });
  await using mirror = await openMirror(opening, ports);
  mirror.situation.customersFrom = customersFrom(args);
  mirror.situation.isOnlyRedirected = args.flag("only-redirected");
  await using accessLog = openAccessLog(args, { clock: realClock, log });
  const serving = { ...place, requestRate: requestRateOf(args), ...(accessLog && { onAnswered: accessLog.note }) };
  await using http = hasHttp ? await serveCustomers(mirror, serving) : undefined;
  Object.assign(mirror.situation, customersAt(named, http && { host: place.host, port: http.port }));
  const { customerUrl, isAskedByContent } = mirror.situation;
  if (customerUrl !== undefined && !isAskedByContent)
    log.info({ url: customerUrl }, "customers meet a web server, by name; --proxied if that asks this program");
  const daemon = new MirrorDaemon(mirror, options, createReport(args, context, { log, logFile }));
  await using _control = await listenControl(
    join(opening.stateDirectory, MIRROR_CONTROL_SOCKET),
    mirrorControl(mirror, daemon),
  );
  const peer = `${new URL(baseUrlAt(place.host, 0)).hostname}:${mirror.swarm.port}`;
  announceReady("daemon", { http: http?.url, peer }, { args, context });
  await announceHeld(mirror);
  await daemon.run();
  return EXIT.ok;
}

/** All at once. @throws UsageError */
function refuseHttpOptions(args: ParsedArguments): void {
  const typed = HTTP_OPTIONS.filter((name) => args.isTyped(name));
  if (typed.length === 0) return;
  throw new UsageError(
    typed.map((name) => `--${name} and --listen none contradict each other: there is no HTTP of ours`),
  );
}

function daemonOptions(args: ParsedArguments): DaemonOptions {
  if (args.isTyped("no-delete") && args.isTyped("delete-after-age"))
    throw new UsageError(["--no-delete and --delete-after-age contradict each other"]);
  if (args.flag("no-delete") && args.isGiven("quota"))
    throw new UsageError([
      "--no-delete and --quota contradict each other: what is not among the newest any more must go",
    ]);
  const removal = args.flag("no-delete") ? "none" : "ours";
  const pollIntervalMs = args.number("interval") ?? FOUR_HOURS_MS;
  if (pollIntervalMs < SHORTEST_INTERVAL_MS) throw new UsageError(["--interval: expected at least 1s"]);
  const scrubPeriodMs = args.number("scrub") ?? 0;
  if (scrubPeriodMs > 0 && scrubPeriodMs < SHORTEST_INTERVAL_MS)
    throw new UsageError(["--scrub: expected at least 1s"]);
  return {
    ...(scrubPeriodMs > 0 && { scrubPeriodMs }),
    pollIntervalMs,
    isImmediate: args.flag("now"),
    sync: syncOptions(args, { removal, maxDelete: "a-fifth" }),
  };
}

function customersFrom(args: ParsedArguments): CustomersFrom {
  const asked = args.text("customers");
  return asked === "site" || asked === "none" ? asked : "any";
}

/** Peers are admitted by the last accepted release, before central was reached. */
async function announceHeld(mirror: Mirror): Promise<void> {
  await mirror.recallTrust();
  void mirror.announcer.announceNow();
}

function createReport(
  args: ParsedArguments,
  context: CommandContext,
  { log, logFile }: { readonly log: LineLogger; readonly logFile: LogFile | undefined },
): ConstructorParameters<typeof MirrorDaemon>[2] {
  const isJson = args.flag("json");
  return {
    onSynced: (outcome: SyncOutcome) => {
      logFile?.write(logLines(outcome, args));
      for (const { path, error } of outcome.failures)
        log.warn({ path: displayPath(path), reason: messageOf(error) }, "path not updated");
      if (outcome.hasTooManyRemovals)
        log.warn({}, "nothing was removed: more paths would have gone than --max-delete allows");
      if (isJson)
        context.print(JSON.stringify({ event: "synced", ...outcome.summary, failed: outcome.failures.length }));
      else if (!args.flag("quiet")) context.print(describeSync(outcome.summary));
    },
    onFailed: (error, retryInMs) => {
      log.warn({ reason: messageOf(error), retryInSeconds: Math.round(retryInMs / 1000) }, "sync failed, trying again");
      if (isJson)
        context.print(
          JSON.stringify({ event: "failed", reason: messageOf(error), retryInSeconds: Math.round(retryInMs / 1000) }),
        );
    },
  };
}

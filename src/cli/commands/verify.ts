import { join, resolve } from "node:path";
import { displayPath } from "../../core/repo-path.ts";
import { MIRROR_CONTROL_SOCKET } from "../../edge/control-socket.ts";
import { openMirror } from "../../edge/mirror.ts";
import { runSync } from "../../edge/sync-job.ts";
import { lookAgain, verifyMirror } from "../../edge/verify-mirror.ts";
import { realClock } from "../../net/real-clock.ts";
import { wildcardHost } from "../../net/wildcard-host.ts";
import type { ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import {
  CONFIG_OPTION,
  JSON_OPTION,
  logLevelOf,
  QUIET_OPTION,
  STATE_OPTION,
  stateDirectoryOf,
  VERBOSE_OPTION,
} from "../load-options.ts";
import { mirrorOptions, syncOptions } from "../mirror-options.ts";
import { askRunning } from "../running-program.ts";
import { endingInMaxDelete, tellMaxDelete } from "../sync-report.ts";
import { createSyncProgress } from "../progress-line.ts";

/** `prsync verify DEST` */
export const verifyCommand: Command = {
  name: "verify",
  summary: "mirror: hash every file again; with --repair, mend what is bad",
  description:
    "Reads every file of the held release whatever its size and time say, and names those that are not what the release has\n" +
    "(exit code 23); of a partial mirror those that the last sync took. With --repair the bad ranges are fetched from other\n" +
    "mirrors, last from central; nothing is removed.",
  positionals: [{ name: "DEST" }],
  options: [
    { name: "repair", kind: "flag", help: "fetch what is bad or missing" },
    {
      name: "peer-port",
      kind: "port",
      placeholder: "PORT",
      help: "where peers reach this mirror meanwhile (default 7382; 0 picks one)",
    },
    CONFIG_OPTION,
    STATE_OPTION,
    JSON_OPTION,
    QUIET_OPTION,
    VERBOSE_OPTION,
  ],
  run: runVerify,
};

interface Verified {
  readonly files: number;
  readonly bytes: number;
  readonly bad: readonly { readonly path: string; readonly verdict: string }[];
  /** Paths that are not as the release has them after a repair; none if there was no repair. */
  readonly unmended: readonly string[];
  /** Paths that the repair found to be no part of the mirror any more. */
  readonly unwanted: readonly string[];
  /** A daemon's repair, which removes what releases drop, found more of that than --max-delete allows. */
  readonly hasTooManyRemovals: boolean;
}

async function runVerify(args: ParsedArguments, context: CommandContext): Promise<number> {
  const destinationPath = resolve(args.required("DEST"));
  const found =
    (await verifyByDaemon(destinationPath, args, context)) ?? (await verifyHere(destinationPath, args, context));
  const unmended = new Set(found.unmended);
  const unwanted = new Set(found.unwanted);
  const isLeft = (path: string): boolean => !args.flag("repair") || unmended.has(path);
  const { files, bytes, bad } = found;
  const left = bad.filter(({ path }) => isLeft(path)).length;
  const isRepaired = args.flag("repair") && left === 0;
  if (args.flag("json")) context.print(JSON.stringify({ files, bytes, bad, repaired: isRepaired }));
  else {
    for (const { path, verdict } of bad) {
      const outcome = isLeft(path) ? "" : unwanted.has(path) ? ", no longer wanted" : ", mended";
      context.complain(`prsync: "${path}" is ${verdict}${outcome}`);
    }
    if (!args.flag("quiet"))
      context.print(`${files} files read, ${bad.length} bad${args.flag("repair") ? `, ${left} not mended` : ""}`);
  }
  if (left === 0) return found.hasTooManyRemovals ? endingInMaxDelete(context) : EXIT.ok;
  if (found.hasTooManyRemovals) tellMaxDelete(context);
  context.complain(`prsync error: ${left} files are not what the release has (code ${EXIT.someFilesFailed})`);
  return EXIT.someFilesFailed;
}

async function verifyByDaemon(
  destinationPath: string,
  args: ParsedArguments,
  context: CommandContext,
): Promise<Verified | undefined> {
  const socket = join(stateDirectoryOf(destinationPath, args, context), MIRROR_CONTROL_SOCKET);
  const argument = args.flag("repair") ? "repair" : null;
  const answer = await askRunning(socket, { command: "verify", argument, signal: context.signal });
  return answer?.result as Verified | undefined;
}

async function verifyHere(destinationPath: string, args: ParsedArguments, context: CommandContext): Promise<Verified> {
  const log = context.createLogger(logLevelOf(args));
  const ports = { clock: realClock, random: Math.random, log, signal: context.signal };
  const place = {
    ticket: undefined,
    destinationPath,
    peerHost: await wildcardHost(),
    command: "prsync verify",
    keepsAttributes: true,
  };
  await using mirror = await openMirror(mirrorOptions(args, context, place), ports);
  const found = await verifyMirror(mirror, context.signal);
  const bad = found.bad.map(({ path, verdict }) => ({ path: displayPath(path), verdict }));
  if (!args.flag("repair") || bad.length === 0)
    return { ...found, bad, unmended: [], unwanted: [], hasTooManyRemovals: false };
  // What an age, a limit or a run without removals keeps in DEST is known to the runs of sync and daemon alone.
  const options = { ...syncOptions(args, { removal: "none", maxDelete: undefined }), rescanMs: Infinity };
  await runSync(mirror, options, createSyncProgress(undefined));
  const { unmended, unwanted } = await lookAgain(mirror, found.bad, context.signal);
  const left = { unmended: unmended.map(displayPath), unwanted: unwanted.map(displayPath) };
  return { ...found, bad, ...left, hasTooManyRemovals: false };
}

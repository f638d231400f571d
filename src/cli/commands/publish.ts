import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CONTROL_SOCKET } from "../../central/control-socket.ts";
import { assertPieceLength } from "../../core/bundle-layout.ts";
import { formatByteSize, parseByteSize } from "../../core/byte-size.ts";
import { CoreError, messageOf } from "../../core/errors.ts";
import { displayPath, RESERVED_TOP_LEVEL_NAME } from "../../core/repo-path.ts";
import { isBlockLength } from "../../delta/block-length.ts";
import { ManifestError } from "../../manifest/errors.ts";
import { parseFileGroups, type FileGroup } from "../../manifest/file-groups.ts";
import { realClock } from "../../net/real-clock.ts";
import { DEFAULT_PUBLISH_OPTIONS, type PublishOutcome } from "../../publisher/publish-options.ts";
import { PublisherError } from "../../publisher/errors.ts";
import { publishTree } from "../../publisher/publish-tree.ts";
import { namingPath } from "../../store/errors.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import {
  CONFIG_OPTION,
  JSON_OPTION,
  QUIET_OPTION,
  STATE_OPTION,
  stateDirectoryOf,
  WORK_OPTION,
  workDirectoryOf,
} from "../load-options.ts";
import { createPublishProgress } from "../progress-line.ts";

/** `prsync publish TREE` */
export const publishCommand: Command = {
  name: "publish",
  summary: "central: cut, sign and announce a release of a tree",
  description:
    "Scans TREE, hashes what changed since the last release, and publishes what lies there now as the next release.\n" +
    "Does nothing if nothing changed. The first publish makes the keys and tells where. A running `prsync serve` of\n" +
    "the same TREE announces the release at once.",
  positionals: [{ name: "TREE" }],
  options: [
    {
      name: "swarm-size",
      kind: "size",
      placeholder: "64K",
      help: "piece length of new bundles: a power of two, 16K to 16M",
    },
    {
      name: "delta-size",
      kind: "text",
      placeholder: "sqrt|SIZE",
      check: parseDeltaSize,
      help: "block length of signatures (default sqrt)",
    },
    {
      name: "look-inside-budget",
      kind: "number",
      placeholder: "SECONDS",
      help: "CPU time for finding what is inside new compressed files (default 120)",
    },
    { name: "no-look-inside", kind: "flag", help: "don't look into compressed files" },
    {
      name: "groups",
      kind: "text",
      placeholder: "FILE",
      isPath: true,
      isOnce: true,
      help: "contents of a group of FILE (analyze --groups) lie together in new bundles",
    },
    { name: "one-file-system", kind: "flag", short: "x", help: "default; mount points in TREE are left out" },
    { name: "cross-file-systems", kind: "flag", help: "publish what is mounted inside TREE, too" },
    {
      name: "owners",
      kind: "flag",
      help: "releases name user and group of each path, as numbers; remembered for TREE",
    },
    { name: "no-owners", kind: "flag", help: "they don't any more (default)" },
    WORK_OPTION,
    CONFIG_OPTION,
    STATE_OPTION,
    JSON_OPTION,
    QUIET_OPTION,
  ],
  run: runPublish,
};

async function runPublish(args: ParsedArguments, context: CommandContext): Promise<number> {
  const treePath = resolve(args.required("TREE"));
  const stateDirectory = stateDirectoryOf(treePath, args, context);
  const swarmSizeBytes = args.number("swarm-size") ?? DEFAULT_PUBLISH_OPTIONS.swarmSizeBytes;
  const deltaSize = parseDeltaSize(args.text("delta-size") ?? "sqrt");
  assertPieceLength(swarmSizeBytes);
  assertPublishable(treePath);
  const isQuiet = args.flag("json") || args.flag("quiet") || !context.isTerminal;
  const groups = readGroups(args);
  const progress = createPublishProgress(isQuiet ? undefined : process.stderr);
  const outcome = await publishTree(
    {
      ...DEFAULT_PUBLISH_OPTIONS,
      treePath,
      stateDirectory,
      workDirectory: workDirectoryOf(treePath, args),
      swarmSizeBytes,
      deltaSize,
      lookInsideBudgetCpuSeconds: lookInsideBudget(args),
      crossFileSystems: args.flag("cross-file-systems"),
      keepsOwners: readOwners(args),
      groups,
      clock: realClock,
    },
    progress,
  );
  progress.clear();
  if (outcome.release !== undefined) await tellServe(stateDirectory, context);
  report(outcome, { args, context, stateDirectory });
  return outcome.changedWhileRead.length > 0 ? EXIT.sourceChanged : EXIT.ok;
}

/** A mirror's directory has a program, a state and a `.prsync` of its own: publishing it would mix the two up. */
function assertPublishable(treePath: string): void {
  if (!existsSync(join(treePath, RESERVED_TOP_LEVEL_NAME, "index.sqlite"))) return;
  throw new PublisherError(
    "tree-unusable",
    `"${treePath}" is a mirror's directory; publish the tree it mirrors, or a copy`,
  );
}

function parseDeltaSize(text: string): "sqrt" | number {
  if (text === "sqrt") return "sqrt";
  const bytes = bytesOf(text);
  if (bytes === undefined || !isBlockLength(bytes))
    throw new UsageError([`--delta-size: expected sqrt or a size from 256 to 1M, got "${text}"`]);
  return bytes;
}

function bytesOf(text: string): number | undefined {
  try {
    return parseByteSize(text);
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    return undefined;
  }
}

function readOwners(args: ParsedArguments): boolean | undefined {
  const [keeps, drops] = [args.flag("owners"), args.flag("no-owners")];
  if (keeps && drops) throw new UsageError(["--owners and --no-owners contradict each other"]);
  return keeps || drops ? keeps : undefined;
}

/** @throws ManifestError `bad-groups`, or the system's error */
function readGroups(args: ParsedArguments): readonly FileGroup[] {
  const path = args.text("groups");
  if (path === undefined) return [];
  try {
    return parseFileGroups(readFileSync(path, "utf8"));
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw namingPath(cause, path);
    throw new ManifestError("bad-groups", `groups in "${path}" can't be used: ${cause.message}`, { cause });
  }
}

function lookInsideBudget(args: ParsedArguments): number {
  const seconds = args.number("look-inside-budget");
  if (!args.flag("no-look-inside")) return seconds ?? DEFAULT_PUBLISH_OPTIONS.lookInsideBudgetCpuSeconds;
  if (seconds === undefined) return 0;
  throw new UsageError(["--look-inside-budget and --no-look-inside contradict each other"]);
}

/** A running serve would look by itself within seconds; that it does not answer is no failure of the publish. */
async function tellServe(stateDirectory: string, context: CommandContext): Promise<void> {
  try {
    // With it comes node:http, a quarter of what a publish with nothing new takes to start.
    const { askRunning } = await import("../running-program.ts");
    await askRunning(join(stateDirectory, CONTROL_SOCKET), { command: "refresh" });
  } catch (error) {
    context.complain(`prsync: warning: the running serve was not told: ${messageOf(error)}`);
  }
}

function report(
  outcome: PublishOutcome,
  {
    args,
    context,
    stateDirectory,
  }: { readonly args: ParsedArguments; readonly context: CommandContext; readonly stateDirectory: string },
): void {
  for (const warning of outcome.warnings) context.complain(`prsync: warning: ${warning}`);
  for (const path of outcome.changedWhileRead)
    context.complain(`prsync: file "${displayPath(path)}" changed while it was read`);
  if (args.flag("json")) {
    const { release = null, current, isFirst, counts, warnings, retained } = outcome;
    const changedWhileRead = outcome.changedWhileRead.map(displayPath);
    context.print(JSON.stringify({ release, current, isFirst, counts, warnings, changedWhileRead, retained }));
    return;
  }
  if (args.flag("quiet")) return;
  if (outcome.isFirst) {
    context.print(
      `new repository: keys and TUF metadata lie in ${stateDirectory}; back them up, they can't be made again`,
    );
  }
  const { counts } = outcome;
  if (outcome.release === undefined) {
    context.print(
      `nothing changed since release ${outcome.current} (${counts.files} files, ${formatByteSize(counts.bytes)})`,
    );
    return;
  }
  context.print(
    `release ${outcome.release}: ${counts.files} files, ${formatByteSize(counts.bytes)}; ` +
      `${counts.added} added, ${counts.changed} changed, ${counts.removed} removed; ` +
      `${counts.newContents} new contents, ${formatByteSize(counts.newBytes)}`,
  );
}

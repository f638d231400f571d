import { readFileSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { isSystemError } from "../core/errors.ts";
import { DEFAULT_WINDOW_PATHS } from "../edge/inventory-windows.ts";
import type { MirrorOptions } from "../edge/mirror.ts";
import type { SyncOptions } from "../edge/sync-options.ts";
import { MAX_PATTERN_BYTES } from "../filter/path-pattern.ts";
import type { StagingChoice } from "../store/staging-places.ts";
import { MIRROR_PATIENCE } from "../swarm/running-download.ts";
import { parseTicket, TICKET_PREFIX, type Ticket } from "../trust/ticket.ts";
import { ATTRIBUTE_OPTIONS, attributeRules, type ProcessRights } from "./attribute-options.ts";
import { UsageError, type ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";
import type { CommandContext } from "./command.ts";
import { stateDirectoryOf } from "./load-options.ts";
import { NETWORK_OPTIONS, networkLimits } from "./network-options.ts";
import { SELECTION_OPTIONS, selectionSettings, toByteString } from "./selection-options.ts";

/** Options that `sync` and `daemon` share. */
export const MIRROR_OPTIONS: readonly OptionSpec[] = [
  ...NETWORK_OPTIONS,
  {
    name: "peer-port",
    kind: "port",
    placeholder: "PORT",
    help: "where peers reach this mirror (default 7382; 0 picks one)",
  },
  {
    name: "delta-size",
    kind: "text",
    placeholder: "sqrt|swarm|off",
    choices: ["sqrt", "swarm", "off"],
    help: "search old files for blocks of √size (default), compare their pieces in place, or fetch whole contents",
  },
  { name: "checksum", kind: "flag", short: "c", help: "believe no file by size and time: compare contents" },
  { name: "hard-links-for-duplicates", kind: "flag", help: "equal files share one inode instead of being copied" },
  { name: "sparse", kind: "flag", short: "S", help: "runs of zeros in what is written become holes" },
  {
    name: "temp-dir",
    kind: "text",
    short: "T",
    placeholder: "DIR",
    isPath: true,
    help: "stage files in DIR, seen from DEST, on its file system (default DEST/.prsync)",
  },
  {
    name: "partial-dir",
    kind: "text",
    placeholder: "DIR",
    help: "as --temp-dir if absolute; what was verified is kept in any case",
  },
  {
    name: "save-traffic",
    kind: "flag",
    help: "look inside compressed files whenever that saves bytes, even if fetching them is quicker",
  },
  { name: "size-only", kind: "flag", help: "believe files by size alone" },
  {
    name: "max-delete",
    kind: "number",
    placeholder: "N",
    help: "remove nothing if more than N paths would go (exit code 25)",
  },
  {
    name: "delete-after-age",
    kind: "duration",
    placeholder: "AGE",
    help: "remove a path only so long after the first run that found it gone from the release (2d)",
  },
  {
    name: "rescan",
    kind: "duration",
    placeholder: "24h",
    help: "look at every file of DEST if the last whole look is older; 0 always",
  },
  {
    name: "last",
    kind: "rule",
    placeholder: "PATTERN",
    help: "update what matches after all else, as the index files of package managers always are",
  },
  ...SELECTION_OPTIONS,
  ...ATTRIBUTE_OPTIONS,
];

const DAY_MS = 86_400_000;

/** TICKET and DEST, the ticket also from PRSYNC_TICKET. A lone word is DEST. */
export function ticketAndDestination(
  args: ParsedArguments,
  context: CommandContext,
): { ticket: Ticket | undefined; destinationPath: string } {
  const destinationPath = resolve(args.required("DEST"));
  const word = args.positional("TICKET") ?? nonEmpty(context.env["PRSYNC_TICKET"]);
  if (args.required("DEST").startsWith(TICKET_PREFIX))
    throw new UsageError(["DEST is missing: it comes after the ticket"]);
  return { ticket: word === undefined ? undefined : parseTicket(readTicket(word)), destinationPath };
}

/** The ticket itself, `@FILE`, or `-` for standard input. */
function readTicket(word: string): string {
  if (word !== "-" && !word.startsWith("@")) return word;
  const path = word === "-" ? "/dev/stdin" : word.slice(1);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = isSystemError(error, "ENOENT") ? "does not exist" : "can't be read";
    throw new UsageError([`ticket file "${path}" ${why}`]);
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** What opening a mirror needs. `command` names this run to whoever finds the lock taken. */
export function mirrorOptions(
  args: ParsedArguments,
  context: CommandContext,
  place: {
    readonly ticket: Ticket | undefined;
    readonly destinationPath: string;
    readonly peerHost: string;
    readonly command: string;
    /** A daemon's port stands in firewall rules: it is that or an error. */
    readonly isLasting?: boolean;
    /** The command has no options about attributes and staging: as the last run had it. */
    readonly keepsAttributes?: boolean;
    readonly isTrial?: boolean;
  },
): MirrorOptions {
  return {
    ...place,
    stateDirectory: stateDirectoryOf(place.destinationPath, args, context),
    peerPort: args.number("peer-port") ?? 7382,
    takesAnyPort: place.isLasting !== true && !args.isGiven("peer-port"),
    patience: MIRROR_PATIENCE,
    ...networkLimits(args),
    selection: selectionSettings(args),
    isSparse: args.flag("sparse"),
    stagedIn: stagedIn(args, place.isTrial === true || place.keepsAttributes === true),
    attributes: place.keepsAttributes === true ? undefined : attributeRules(args, rightsOf(args, context)),
  };
}

/**
 * What is on its way and what an interrupted run leaves of it is one file, named by its content: rsync's two options say where that lies.
 * A relative --partial-dir, which rsync makes in each directory, has nothing to hold here. @throws UsageError
 */
function stagedIn(args: ParsedArguments, staysInPlace: boolean): StagingChoice {
  const temporary = nonEmpty(args.text("temp-dir"));
  const partial = nonEmpty(args.text("partial-dir"));
  const kept = partial !== undefined && isAbsolute(partial) ? partial : undefined;
  if (temporary !== undefined && kept !== undefined && resolve(args.required("DEST"), temporary) !== resolve(kept))
    throw new UsageError(["--temp-dir and --partial-dir name two places, and a file on its way has one: give either"]);
  return { directory: temporary ?? kept, makesDirectory: temporary === undefined, staysInPlace };
}

/** @throws UsageError */
function lastPatterns(args: ParsedArguments): string[] {
  const patterns = args.rules.filter(({ name }) => name === "last").map(({ value }) => toByteString(value));
  const long = patterns.filter((pattern) => pattern.length > MAX_PATTERN_BYTES);
  if (long.length > 0) throw new UsageError([`--last: a pattern has at most ${MAX_PATTERN_BYTES} bytes`]);
  return patterns;
}

/** As with rsync, who can't give files away still gets the rest; unlike rsync's, this is told. */
function rightsOf(args: ParsedArguments, context: CommandContext): ProcessRights {
  const isRoot = process.geteuid!() === 0;
  if (args.flag("owner") && !isRoot && !args.flag("quiet"))
    context.complain("prsync: note: only root can give files to other users; --owner changes nothing");
  return { umask: process.umask(), isRoot, groups: [process.getegid!(), ...process.getgroups!()] };
}

export function syncOptions(
  args: ParsedArguments,
  defaults: { readonly removal: SyncOptions["plan"]["removal"]; readonly maxDelete: number | "a-fifth" | undefined },
): SyncOptions {
  if (args.flag("checksum") && args.flag("size-only"))
    throw new UsageError(["--checksum and --size-only contradict each other"]);
  return {
    plan: {
      checksum: args.flag("checksum"),
      sizeOnly: args.flag("size-only"),
      useDelta: args.text("delta-size") !== "off",
      sharesInodes: args.flag("hard-links-for-duplicates"),
      removal: defaults.removal,
    },
    findsBy: args.text("delta-size") === "swarm" ? "pieces" : "blocks",
    savesTraffic: args.flag("save-traffic"),
    rescanMs: args.number("rescan") ?? DAY_MS,
    maxDelete: args.number("max-delete") ?? defaults.maxDelete,
    removeAfterMs: args.number("delete-after-age"),
    last: lastPatterns(args),
    windowPaths: DEFAULT_WINDOW_PATHS,
    keepsChanges: args.flag("itemize-changes") || args.isGiven("log-file"),
  };
}

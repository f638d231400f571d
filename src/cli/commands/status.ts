import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { PublishedTreeReader } from "../../store/published-tree.ts";
import { readIdentity } from "../../edge/mirror-identity.ts";
import { MIRROR_CONTROL_SOCKET } from "../../edge/control-socket.ts";
import { MirrorIndex } from "../../store/mirror-index.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { askRunning } from "../running-program.ts";
import {
  CONFIG_OPTION,
  JSON_OPTION,
  STATE_OPTION,
  stateDirectoryOf,
  WORK_OPTION,
  workDirectoryOf,
} from "../load-options.ts";

/** `prsync status WHERE` */
export const statusCommand: Command = {
  name: "status",
  summary: "both: what a tree or a mirror holds and does",
  description: "Asks the program that runs for WHERE (a TREE or DEST); without one, reads what it left on disk.",
  positionals: [{ name: "WHERE" }],
  options: [CONFIG_OPTION, WORK_OPTION, STATE_OPTION, JSON_OPTION],
  run: runStatus,
};

type Facts = Readonly<Record<string, unknown>>;

async function runStatus(args: ParsedArguments, context: CommandContext): Promise<number> {
  const where = resolve(args.required("WHERE"));
  const stateDirectory = stateDirectoryOf(where, args, context);
  const socket = join(stateDirectory, MIRROR_CONTROL_SOCKET);
  const answer = await askRunning(socket, { command: "status", signal: context.signal });
  const running = answer?.result as Facts | undefined;
  const facts: Facts =
    running === undefined ? await readResting(where, stateDirectory, args) : { running: true, ...running };
  if (args.flag("json")) context.print(JSON.stringify(facts));
  else for (const line of describe(facts)) context.print(line);
  return EXIT.ok;
}

/** What lies on disk when nothing runs. */
async function readResting(where: string, stateDirectory: string, args: ParsedArguments): Promise<Facts> {
  const indexPath = join(where, ".prsync/index.sqlite");
  if (existsSync(indexPath)) return await readRestingMirror(indexPath, stateDirectory);
  if (!existsSync(join(stateDirectory, "tuf"))) {
    throw new UsageError([
      `"${where}" is neither a published tree nor a mirror (looked for its state in "${stateDirectory}")`,
    ]);
  }
  const place = { treePath: where, workDirectory: workDirectoryOf(where, args), stateDirectory };
  using tree = await PublishedTreeReader.open(place);
  const { release } = tree;
  const shown = release === undefined ? null : { number: release.number, created: release.created, ...release.totals };
  return { program: "central", running: false, release: shown };
}

async function readRestingMirror(indexPath: string, stateDirectory: string): Promise<Facts> {
  using index = MirrorIndex.open(indexPath);
  const identity = await readIdentity(stateDirectory);
  return {
    program: "mirror",
    running: false,
    name: identity?.name ?? null,
    central: identity?.centralUrl ?? null,
    release: index.facts.get("heldRelease") ?? 0,
    ...index.files.totals(),
    duplicates: index.files.duplicates(),
    pending: index.files.pending().length,
    heldBack: index.gone.count(),
  };
}

/** `key: value` lines; nested facts are indented under theirs, each member of a list is one line. */
function describe(facts: Facts, indent = ""): string[] {
  return Object.entries(facts).flatMap(([key, value]) => {
    if (Array.isArray(value)) {
      return [`${indent}${key}:`, ...value.map((member: unknown) => `${indent}  ${describeMember(member)}`)];
    }
    if (typeof value !== "object" || value === null) return [`${indent}${key}: ${String(value)}`];
    return [`${indent}${key}:`, ...describe(value as Facts, `${indent}  `)];
  });
}

function describeMember(member: unknown): string {
  return typeof member === "object" && member !== null ? Object.values(member).join(" ") : String(member);
}

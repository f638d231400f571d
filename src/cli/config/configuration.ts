import { existsSync, readdirSync, realpathSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { isSystemError } from "../../core/errors.ts";
import { ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { nearestName } from "../nearest-name.ts";
import type { OptionSpec } from "../option-spec.ts";
import { ConfigError } from "./config-error.ts";
import { readConfigFile, type ConfigFile, type PlaceKind } from "./config-file.ts";
import { knownKeys } from "./config-keys.ts";
import {
  configuredOptions,
  configuredWords,
  isPlaceName,
  problemsOf,
  settingsOf,
  tablesOf,
  type KeysByKind,
  type PlaceTable,
} from "./config-table.ts";

const SYSTEM_DIRECTORY = "/etc/prsync";

/** Arguments of commands that name a directory, and what a name there may stand for. */
const KINDS_OF_PLACE: ReadonlyMap<string, readonly PlaceKind[]> = new Map<string, readonly PlaceKind[]>([
  ["DEST", ["mirror"]],
  ["TREE", ["tree"]],
  ["WHERE", ["mirror", "tree"]],
]);

/** Directories of configuration files; the first that knows a name has it. */
export function configDirectories(env: CommandContext["env"], homeDirectory: string): readonly string[] {
  const xdg = env["XDG_CONFIG_HOME"];
  // XDG: relative values are invalid and must be ignored.
  const home = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeDirectory, ".config");
  return [join(home, "prsync"), SYSTEM_DIRECTORY];
}

/** What looking for a name needs to know. */
export interface ConfigSearch {
  readonly commands: readonly Command[];
  readonly directories: readonly string[];
  readonly env: CommandContext["env"];
}

/** Where a configuration file is looked for: the argument that may be a name in one, and the word that stands there. */
interface NamedPlace {
  readonly name: string;
  readonly word: string;
  readonly explicit: string | undefined;
}

function namedPlace(args: ParsedArguments, command: Command): NamedPlace | undefined {
  const place = command.positionals.find(({ name }) => KINDS_OF_PLACE.has(name));
  const word = place === undefined ? undefined : args.positional(place.name);
  if (place === undefined || word === undefined || args.typed.withdrawn.has("config")) return undefined;
  const explicit = args.text("config");
  return explicit === undefined && !isPlaceName(word) ? undefined : { name: place.name, word, explicit };
}

/** True if {@link configure} looks into files: it needs {@link ConfigSearch.commands} only then, and loading all of them takes longer than many a run. */
export function mayBeConfigured(args: ParsedArguments, command: Command): boolean {
  return namedPlace(args, command) !== undefined;
}

/**
 * The command line with what a configuration file says of the mirror or tree that it names: line > environment > file. A word
 * with a slash is a directory, and no file is read for it.
 * @throws ConfigError with every problem of the file that has the name
 */
export function configure(args: ParsedArguments, command: Command, search: ConfigSearch): ParsedArguments {
  const place = namedPlace(args, command);
  if (place === undefined) return args;
  const { word, explicit } = place;
  const keys: KeysByKind = {
    mirror: knownKeys("mirror", search.commands),
    tree: knownKeys("tree", search.commands),
  };
  const kinds = KINDS_OF_PLACE.get(place.name)!;
  const wanted = { word, kinds, usage: `prsync ${command.name}` };
  const table = explicit === undefined ? findTable(wanted, search.directories) : tableOfFile(wanted, explicit);
  if (table === undefined) return args;
  const problems = problemsOf(table.file, keys);
  if (problems.length > 0) throw new ConfigError(problems);
  const settings = settingsOf(table, keys[table.kind]);
  if (explicit === undefined) assertNoSuchDirectory(word, settings.path, table);
  const positionals = new Map([[place.name, settings.path]]);
  const hasTicket = args.positional("TICKET") !== undefined || (search.env["PRSYNC_TICKET"] ?? "") !== "";
  if (!hasTicket && settings.ticket !== undefined && command.positionals.some(({ name }) => name === "TICKET"))
    positionals.set("TICKET", settings.ticket);
  const options = configuredOptions(settings, command.options, args.typed);
  const wordsFor = (taken: readonly OptionSpec[]): readonly string[] => configuredWords(settings, taken);
  return new ParsedArguments(args.typed, { positionals, ...options, from: settings.from, wordsFor });
}

interface Wanted {
  readonly word: string;
  readonly kinds: readonly PlaceKind[];
  /** "prsync sync" */
  readonly usage: string;
}

/** Undefined if no file has the name. A file that nobody can read might have it: then nothing is guessed. */
function findTable(wanted: Wanted, directories: readonly string[]): PlaceTable | undefined {
  const known: PlaceTable[] = [];
  for (const directory of directories) {
    const files = filesIn(directory);
    const tables = files.flatMap(tablesOf);
    const found = tables.filter((table) => table.name === wanted.word && wanted.kinds.includes(table.kind));
    if (found.length > 0) return onlyOne(found, wanted);
    const broken = files.filter(({ content }) => content === undefined);
    if (broken.length > 0) throw new ConfigError([...broken.flatMap(({ problems }) => problems), orDirectory(wanted)]);
    known.push(...tables);
  }
  if (!existsSync(wanted.word)) hint(wanted, known);
  return undefined;
}

function orDirectory({ word }: Wanted): string {
  return `"${word}" may be a name in there; if it is a directory, write ./${word}`;
}

function filesIn(directory: string): ConfigFile[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "EACCES")) return [];
    throw error;
  }
  const wanted = names.filter((name) => name.endsWith(".toml") && !name.startsWith(".")).toSorted();
  return wanted.map((name) => readConfigFile(join(directory, name))).filter((file) => file !== undefined);
}

function onlyOne(found: readonly PlaceTable[], { word, usage }: Wanted): PlaceTable {
  const [first, second] = found;
  if (second === undefined) return first!;
  const places = found.map(({ kind, file }) => `[${kind}.${word}] of ${file.path}`).join(" and ");
  throw new ConfigError([`"${word}" is ${places}: ${usage} can't know which is meant; rename one, or give a path`]);
}

/** A word that is no directory, and nearly a name, was meant to be that name. */
function hint({ word, kinds, usage }: Wanted, known: readonly PlaceTable[]): void {
  const other = known.find(({ name }) => name === word);
  if (other !== undefined)
    throw new ConfigError([
      `"${word}" is a ${other.kind} (${other.file.path}); ${usage} takes a ${kinds.join(" or ")}`,
    ]);
  const names = known.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
  const nearest = nearestName(word, names);
  if (nearest === undefined) return;
  throw new ConfigError([
    `no configuration file names "${word}"; did you mean ${nearest}? If it is a directory, write ./${word}`,
  ]);
}

function tableOfFile(wanted: Wanted, path: string): PlaceTable {
  const file = readConfigFile(resolve(path));
  if (file === undefined) throw new ConfigError([`${path}: does not exist or can't be read`]);
  if (file.content === undefined) throw new ConfigError(file.problems);
  const fitting = tablesOf(file).filter(({ kind }) => wanted.kinds.includes(kind));
  const found = fitting.filter(({ name }) => name === wanted.word);
  if (found.length > 0) return onlyOne(found, wanted);
  const names = fitting.map(({ name }) => name).join(", ");
  const tells = names === "" ? "it has none" : `it has ${names}`;
  throw new ConfigError([
    `"${wanted.word}" is no ${wanted.kinds.join(" or ")} of ${path}: ${tells}; with --config a name of that file is needed`,
  ]);
}

/** A directory beside us that happens to be called so must not be confused with another one. */
function assertNoSuchDirectory(word: string, path: string, { kind, file }: PlaceTable): void {
  if (!existsSync(word) || (existsSync(path) && realpathSync(word) === realpathSync(path))) return;
  throw new ConfigError([
    `"${word}" is a ${kind} (${path} in ${file.path}) and a directory here: write ./${word} for the directory, or run this elsewhere`,
  ]);
}

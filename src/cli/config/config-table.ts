import { messageOf } from "../../core/errors.ts";
import type { ConfiguredWords, GivenRule, OptionValue, TypedWords } from "../arguments.ts";
import { didYouMean } from "../nearest-name.ts";
import { convertValue, type OptionSpec } from "../option-spec.ts";
import { PLACE_KINDS, type ConfigFile, type PlaceKind } from "./config-file.ts";
import { assertAbsolute, describe, readSetting, type KnownKeys } from "./config-keys.ts";
import { lineOfKey, lineOfTable } from "./key-line.ts";

type Table = Readonly<Record<string, unknown>>;
export type KeysByKind = Readonly<Record<PlaceKind, KnownKeys>>;

/** `[mirror.NAME]` or `[tree.NAME]`, not checked yet. */
export interface PlaceTable {
  readonly file: ConfigFile;
  readonly kind: PlaceKind;
  readonly name: string;
  readonly content: Table;
}

/** Letters that need no quotes in a shell; a slash would be a directory. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Whether a word may be the name of a table. */
export function isPlaceName(word: string): boolean {
  return NAME.test(word);
}

/** All mirrors and trees that a file names, whatever else is wrong with it. */
export function tablesOf(file: ConfigFile): PlaceTable[] {
  return PLACE_KINDS.flatMap((kind) => {
    const tables = file.content?.[kind];
    if (!isTable(tables)) return [];
    return Object.entries(tables).flatMap(([name, content]) =>
      isTable(content) ? [{ file, kind, name, content }] : [],
    );
  });
}

/** Everything that is wrong with a file, each with its line where that is known, and what to do. */
export function problemsOf(file: ConfigFile, known: KeysByKind): string[] {
  return [
    ...file.problems,
    ...sharedProblems(file, known),
    ...PLACE_KINDS.flatMap((kind) => shapeProblems(file, kind)),
    ...tablesOf(file).flatMap((table) => tableProblems(table, known[table.kind])),
  ];
}

/** Keys above the first table, which hold for all tables of the file. */
function sharedProblems(file: ConfigFile, known: KeysByKind): string[] {
  const entries = Object.entries(sharedKeys(file));
  const order = orderProblem(Object.keys(sharedKeys(file)), "", file);
  const problems = entries.flatMap(([key, value]) => {
    const kinds = PLACE_KINDS.map((kind) => known[kind]);
    const fitting = kinds.find(({ options }) => options.has(key));
    if (isTable(value)) {
      const line = lineOfTable(file.text, key);
      return [`${file.path}${line}: ${key}: unknown table; tables are [mirror.NAME] and [tree.NAME]`];
    }
    if (fitting !== undefined) return keyProblems(file, { table: "", key, value }, fitting);
    if (["dest", "tree", "ticket"].includes(key)) return [at(file, "", key, `belongs into a table like [mirror.NAME]`)];
    const names = kinds.flatMap(({ options }) => [...options.keys()]);
    return [at(file, "", key, describeUnknown(key, names, kinds))];
  });
  return [...problems, ...order];
}

function sharedKeys(file: ConfigFile): Table {
  const entries = Object.entries(file.content ?? {});
  return Object.fromEntries(entries.filter(([key]) => !(PLACE_KINDS as readonly string[]).includes(key)));
}

function shapeProblems(file: ConfigFile, kind: PlaceKind): string[] {
  const tables = file.content?.[kind];
  if (tables === undefined) return [];
  if (!isTable(tables)) return [at(file, "", kind, `expected tables like [${kind}.NAME], got ${describe(tables)}`)];
  return Object.entries(tables).flatMap(([name, content]) => {
    if (!isTable(content))
      return [at(file, kind, name, `expected a table like [${kind}.NAME], got ${describe(content)}`)];
    if (isPlaceName(name)) return [];
    const where = `${file.path}${lineOfTable(file.text, `${kind}.${name}`)}`;
    return [
      `${where}: [${kind}.${JSON.stringify(name)}]: a name has letters, digits, ".", "_" and "-" and begins with a letter or digit`,
    ];
  });
}

function tableProblems({ file, kind, name, content }: PlaceTable, known: KnownKeys): string[] {
  const table = `${kind}.${name}`;
  const place = content[known.place];
  const missing = `${file.path}${lineOfTable(file.text, table)}: ${table} lacks ${known.place}: write ${known.place} = "/srv/…"`;
  return [
    ...(place === undefined ? [missing] : []),
    ...Object.entries(content).flatMap(([key, value]) => keyProblems(file, { table, key, value }, known)),
    ...orderProblem(Object.keys(content), table, file),
  ];
}

interface TableKey {
  readonly table: string;
  readonly key: string;
  readonly value: unknown;
}

function keyProblems(file: ConfigFile, { table, key, value }: TableKey, known: KnownKeys): string[] {
  const told = (why: string): string[] => [at(file, table, key, why)];
  try {
    if (key === known.place) assertAbsolute(readSettingText(value));
    else if (key === "ticket" && known.place === "dest") assertTicket(readSettingText(value));
    else {
      const option = known.options.get(key);
      if (option === undefined)
        return told(describeUnknown(key, [known.place, "ticket", ...known.options.keys()], [known]));
      if (option.isOnce === true) return told(`asks for something once: it belongs on the command line, as --${key}`);
      readSetting(option, value);
    }
    return [];
  } catch (error) {
    return told(messageOf(error));
  }
}

function readSettingText(value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`expected text in quotes, got ${describe(value)}`);
}

function assertTicket(text: string): void {
  if (text === "-") throw new Error('standard input is for the command line; write "@/FILE"');
  if (text.startsWith("@")) assertAbsolute(text.slice(1));
}

function describeUnknown(key: string, names: readonly string[], known: readonly KnownKeys[]): string {
  const why = known.map(({ explains }) => explains.get(key)).find((found) => found !== undefined);
  return why ?? `unknown key${didYouMean(key, names)}`;
}

const ORDERED: readonly string[] = ["filter", "include", "exclude", "include-from", "exclude-from"];

/** The first rule that matches decides, but keys of a TOML table are in no order. */
function orderProblem(keys: readonly string[], table: string, file: ConfigFile): string[] {
  const [first, second] = keys.filter((key) => ORDERED.includes(key));
  if (first === undefined || second === undefined) return [];
  const instead = 'write all rules in one list: filter = ["+ PATTERN", "- PATTERN", "merge,- FILE"]';
  return [at(file, table, second, `the order of ${first} and ${second} would decide, and TOML has none; ${instead}`)];
}

function at(file: ConfigFile, table: string, key: string, why: string): string {
  return `${file.path}${lineOfKey(file.text, table, key)}: ${table === "" ? key : `${table}.${key}`}: ${why}`;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** What a table without problems says. */
export interface PlaceSettings {
  /** `dest` or `tree`. */
  readonly path: string;
  readonly ticket: string | undefined;
  /** Keys that hold, those of the file as a whole included. */
  readonly keys: Table;
  readonly from: string;
}

export function settingsOf({ file, kind, name, content }: PlaceTable, known: KnownKeys): PlaceSettings {
  const groups = new Set(Object.keys(content).map((key) => known.options.get(key)?.group));
  const shared = Object.entries(sharedKeys(file)).filter(([key]) => {
    const option = known.options.get(key);
    return option !== undefined && (option.group === undefined || !groups.has(option.group));
  });
  const { [known.place]: path, ticket, ...own } = content;
  return {
    path: path as string,
    ticket: ticket as string | undefined,
    keys: { ...Object.fromEntries(shared), ...own },
    from: `[${kind}.${name}] of ${file.path}`,
  };
}

/** Those of the settings that a command takes and its line does not replace. */
export function configuredOptions(
  settings: PlaceSettings,
  options: readonly OptionSpec[],
  typed: TypedWords,
): Pick<ConfiguredWords, "values" | "rules"> {
  const values = new Map<string, OptionValue>();
  const rules: GivenRule[] = [];
  for (const option of options) {
    const value = settings.keys[option.name];
    if (value === undefined || isReplaced(option, options, typed)) continue;
    const setting = readSetting(option, value);
    if (setting === false) continue;
    if (setting === true) values.set(option.name, true);
    else for (const text of setting) values.set(option.name, convertValue(option, text));
    if (option.kind === "rule")
      rules.push(...(setting as readonly string[]).map((text) => ({ name: option.name, value: text })));
  }
  return { values, rules };
}

/** Settings as words of a command line that has `options`. */
export function configuredWords(settings: PlaceSettings, options: readonly OptionSpec[]): string[] {
  return options.flatMap((option) => {
    const value = settings.keys[option.name];
    const setting = value === undefined ? false : readSetting(option, value);
    if (typeof setting === "boolean") return setting ? [`--${option.name}`] : [];
    return setting.map((text) => `--${option.name}=${text}`);
  });
}

function isReplaced({ name, group }: OptionSpec, options: readonly OptionSpec[], typed: TypedWords): boolean {
  const opposite = name.startsWith("no-") ? name.slice(3) : `no-${name}`;
  const inGroup = options
    .filter((option) => group !== undefined && option.group === group)
    .map((option) => option.name);
  return typed.withdrawn.has(name) || [name, opposite, ...inGroup].some((given) => typed.values.has(given));
}

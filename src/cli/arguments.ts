import { parseArgs } from "node:util";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { didYouMean } from "./nearest-name.ts";
import { convertValue, type OptionSpec } from "./option-spec.ts";

/** Wrong use of the command line; the message lists every problem at once. */
export class UsageError extends PrsyncError<"usage"> {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("usage", problems.join("; "));
    this.problems = problems;
  }
}

export interface PositionalSpec {
  readonly name: string;
  readonly isOptional?: boolean;
  /** The last one may take further words: "LOG…". */
  readonly isRepeated?: boolean;
}

export type OptionValue = string | number | true;
export interface GivenRule {
  readonly name: string;
  readonly value: string;
}

/** What stands on the command line. */
export interface TypedWords {
  readonly positionals: ReadonlyMap<string, string>;
  /** Further words for the last positional, if that is repeated. */
  readonly furtherWords: readonly string[];
  readonly values: ReadonlyMap<string, OptionValue>;
  /** Options of the kind "rule" in the order given. */
  readonly rules: readonly GivenRule[];
  /** Options taken back by `--no-NAME`. */
  readonly withdrawn: ReadonlySet<string>;
}

/** What a configuration file adds to that, without what the command line replaces. */
export interface ConfiguredWords extends Omit<TypedWords, "withdrawn" | "furtherWords"> {
  /** "[mirror.debian] of /etc/prsync/debian.toml" */
  readonly from: string;
  /** Words that give `options` what the file says of them, for a program that this one starts. */
  readonly wordsFor: (options: readonly OptionSpec[]) => readonly string[];
}

/** The words of a command after parsing. Each getter fits the option's kind; asking for another kind is a bug. */
export class ParsedArguments {
  readonly typed: TypedWords;
  readonly configured: ConfiguredWords | undefined;
  readonly #positionals: ReadonlyMap<string, string>;
  readonly #values: ReadonlyMap<string, OptionValue>;
  /** Options of the kind "rule" in the order given. */
  readonly rules: readonly GivenRule[];

  constructor(typed: TypedWords, configured?: ConfiguredWords) {
    this.typed = typed;
    this.configured = configured;
    this.#positionals = new Map([...typed.positionals, ...(configured?.positionals ?? [])]);
    this.#values = new Map([...(configured?.values ?? []), ...typed.values]);
    this.rules = [...(configured?.rules ?? []), ...typed.rules];
  }

  positional(name: string): string | undefined {
    return this.#positionals.get(name);
  }

  /** A positional that is not optional. */
  required(name: string): string {
    const value = this.#positionals.get(name);
    if (value === undefined) throw new UsageError([`${name} is missing`]);
    // An unset variable in a script must not become the current directory.
    if (value === "") throw new UsageError([`${name} is empty`]);
    return value;
  }

  /** All words of a positional that is repeated; one at least. */
  repeated(name: string): readonly string[] {
    return [this.required(name), ...this.typed.furtherWords];
  }

  /** True if the option stands on the command line or in a configuration file, whatever its kind. */
  isGiven(name: string): boolean {
    return this.#values.has(name);
  }

  /** True if the option stands on the command line, whatever its kind. */
  isTyped(name: string): boolean {
    return this.typed.values.has(name);
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return typeof value === "string" ? value : undefined;
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name);
    return typeof value === "number" ? value : undefined;
  }
}

export interface ArgumentSpec {
  readonly positionals: readonly PositionalSpec[];
  readonly options: readonly OptionSpec[];
  /** What to say of options that do not exist but may be expected, by name or letter. */
  readonly explains?: ReadonlyMap<string, string>;
}

/** Splits the words after the command's name. @throws UsageError naming all problems together */
export function parseArguments(words: readonly string[], spec: ArgumentSpec): ParsedArguments {
  const problems: string[] = [];
  const { positionals, tokens } = tokenize(words, spec);
  const values = new Map<string, OptionValue>();
  const withdrawn = new Set<string>();
  let rules: GivenRule[] = [];
  for (const token of tokens) {
    const option = spec.options.find((candidate) => candidate.name === token.name);
    const takenBack = option === undefined ? withdrawnBy(token, spec) : undefined;
    if (takenBack !== undefined) {
      withdrawn.add(takenBack);
      values.delete(takenBack);
      rules = rules.filter(({ name }) => name !== takenBack);
    } else if (option === undefined) problems.push(describeUnknown(token, spec));
    else {
      const value = readValue(option, token, problems);
      if (value === undefined) continue;
      values.set(option.name, value);
      withdrawn.delete(option.name);
      if (option.kind === "rule" && typeof value === "string") rules.push({ name: option.name, value });
    }
  }
  const isRepeated = spec.positionals.at(-1)?.isRepeated === true;
  const furtherWords = isRepeated ? positionals.splice(spec.positionals.length) : [];
  if (furtherWords.includes("")) problems.push(`${spec.positionals.at(-1)!.name} is empty`);
  const named = namePositionals(positionals, spec.positionals, problems);
  if (problems.length > 0) throw new UsageError(problems);
  return new ParsedArguments({ positionals: named, furtherWords, values, rules, withdrawn });
}

/** As with rsync, `--no-NAME` takes back what was said of NAME before, by a configuration file too. */
function withdrawnBy({ name, value }: OptionToken, { options }: ArgumentSpec): string | undefined {
  if (!name.startsWith("no-") || value !== undefined) return undefined;
  return options.find((option) => option.name === name.slice(3))?.name;
}

function describeUnknown({ name, rawName }: OptionToken, { options, explains }: ArgumentSpec): string {
  const why = explains?.get(name);
  if (why !== undefined) return `${rawName}: ${why}`;
  const names = options.map((option) => option.name);
  return `unknown option ${rawName}${name.length > 1 ? didYouMean(name, names, "--") : ""}`;
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  /** `--name=value` in one word. */
  readonly isInline: boolean;
}

function tokenize(words: readonly string[], spec: ArgumentSpec): { positionals: string[]; tokens: OptionToken[] } {
  const options = Object.fromEntries(
    spec.options.map((option) => [
      option.name,
      {
        type: option.kind === "flag" ? ("boolean" as const) : ("string" as const),
        ...(option.short === undefined ? {} : { short: option.short }),
      },
    ]),
  );
  const parsed = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true });
  const tokens: OptionToken[] = [];
  const positionals: string[] = [];
  for (const token of parsed.tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    tokens.push({ name, rawName, value, isInline: inlineValue === true });
  }
  return { positionals, tokens };
}

function readValue(option: OptionSpec, token: OptionToken, problems: string[]): OptionValue | undefined {
  const { value } = token;
  if (option.kind === "flag") {
    if (value === undefined) return true;
    problems.push(`${token.rawName} takes no value, got "${value}"`);
    return undefined;
  }
  // "--state --json" forgot the value; who means one that begins so writes --state=--json.
  const mayBeginWithDash = token.isInline || option.kind === "rule";
  if (value === undefined || value === "" || (value.startsWith("-") && !mayBeginWithDash)) {
    problems.push(`${token.rawName} needs ${option.placeholder ?? "a value"}`);
    return undefined;
  }
  try {
    return convertValue(option, value);
  } catch (error) {
    problems.push(`${token.rawName}: ${messageOf(error)}`);
    return undefined;
  }
}

function namePositionals(
  given: readonly string[],
  specs: readonly PositionalSpec[],
  problems: string[],
): Map<string, string> {
  const named = new Map<string, string>();
  // Optional positionals stand first ("sync [TICKET] DEST"): they are filled only if there are words enough.
  let spare = given.length - specs.filter((spec) => spec.isOptional !== true).length;
  let next = 0;
  for (const spec of specs) {
    if (spec.isOptional === true && spare <= 0) continue;
    if (spec.isOptional === true) spare--;
    const value = given[next++];
    // An unset variable in quotes; resolved, it would be the current directory.
    if (value === undefined || value === "") problems.push(`${spec.name} is ${value === "" ? "empty" : "missing"}`);
    else named.set(spec.name, value);
  }
  for (const extra of given.slice(next)) problems.push(`unexpected argument "${extra}"`);
  return named;
}

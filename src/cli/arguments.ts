import { parseArgs } from "node:util";
import { parseByteSize } from "../core/byte-size.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";

/** Wrong use of the command line; the message lists every problem at once. */
export class UsageError extends PrsyncError<"usage"> {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("usage", problems.join("; "));
    this.problems = problems;
  }
}

/** One option of a command. `rule` is any text, as often as one likes, in order with all other rules. `size` takes 64K or 2G, `duration` 30s, 15m, 4h, 2d (→ milliseconds), `port` 0…65535. */
export interface OptionSpec {
  readonly name: string;
  readonly kind: "flag" | "text" | "size" | "duration" | "port" | "number" | "rule";
  /** What stands for the value in help, "BYTES"; flags have none. */
  readonly placeholder?: string;
  readonly help: string;
  /** One letter. */
  readonly short?: string;
  /** Only these texts are allowed. */
  readonly choices?: readonly string[];
}

export interface PositionalSpec {
  readonly name: string;
  readonly isOptional?: boolean;
}

/** The words of a command after parsing. Each getter fits the option's kind; asking for another kind is a bug. */
export class ParsedArguments {
  readonly #positionals: ReadonlyMap<string, string>;
  readonly #values: ReadonlyMap<string, string | number | true>;
  /** Options of the kind "rule" in the order given. */
  readonly rules: readonly { readonly name: string; readonly value: string }[];

  constructor(
    positionals: ReadonlyMap<string, string>,
    values: ReadonlyMap<string, string | number | true>,
    rules: readonly { readonly name: string; readonly value: string }[] = [],
  ) {
    this.#positionals = positionals;
    this.#values = values;
    this.rules = rules;
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

  /** True if the option stands on the command line, whatever its kind. */
  isGiven(name: string): boolean {
    return this.#values.has(name);
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
  const values = new Map<string, string | number | true>();
  const rules: { name: string; value: string }[] = [];
  for (const token of tokens) {
    const option = spec.options.find((candidate) => candidate.name === token.name);
    if (option === undefined) {
      const why = spec.explains?.get(token.name);
      problems.push(why === undefined ? `unknown option ${token.rawName}` : `${token.rawName}: ${why}`);
      continue;
    }
    const value = readValue(option, token, problems);
    if (value !== undefined) values.set(option.name, value);
    if (option.kind === "rule" && typeof value === "string") rules.push({ name: option.name, value });
  }
  const named = namePositionals(positionals, spec.positionals, problems);
  if (problems.length > 0) throw new UsageError(problems);
  return new ParsedArguments(named, values, rules);
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

function readValue(option: OptionSpec, token: OptionToken, problems: string[]): string | number | true | undefined {
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
    return convert(option, value);
  } catch (error) {
    problems.push(`${token.rawName}: ${messageOf(error)}`);
    return undefined;
  }
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "30s", "15m", "4h", "2d", "250ms", "0" → milliseconds. @throws Error in words */
export function parseDurationMs(text: string): number {
  if (text === "0") return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = match === null ? undefined : DURATION_UNITS[match[2]!];
  if (match === null || unit === undefined) throw new Error(`expected a time like 30s, 15m, 4h or 2d, got "${text}"`);
  return Number(match[1]) * unit;
}

function convert(option: OptionSpec, value: string): string | number {
  switch (option.kind) {
    case "size":
      return parseByteSize(value);
    case "duration":
      return parseDurationMs(value);
    case "port": {
      const port = Number(value);
      if (!/^\d{1,5}$/.test(value) || port > 65_535) throw new Error(`expected a port 0…65535, got "${value}"`);
      return port;
    }
    case "number": {
      if (!/^\d{1,15}$/.test(value)) throw new Error(`expected a whole number, got "${value}"`);
      return Number(value);
    }
    case "text":
      if (option.choices !== undefined && !option.choices.includes(value)) {
        throw new Error(`expected one of ${option.choices.join(", ")}, got "${value}"`);
      }
      return value;
    case "rule":
      return value;
    case "flag":
      throw new Error("a flag has no value");
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

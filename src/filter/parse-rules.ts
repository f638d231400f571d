import { FilterError } from "./errors.ts";
import type { FilterRule, MergeGrammar, PatternRule } from "./filter-rule.ts";
import { MAX_PATTERN_BYTES, PathPattern } from "./path-pattern.ts";

/** Short names by long name, rsync(1) "FILTER RULES". */
const RULE_NAMES: ReadonlyMap<string, string> = new Map([
  ["exclude", "-"],
  ["include", "+"],
  ["merge", "."],
  ["dir-merge", ":"],
  ["hide", "H"],
  ["show", "S"],
  ["protect", "P"],
  ["risk", "R"],
  ["clear", "!"],
]);

const PLAIN_GRAMMAR: MergeGrammar = { only: undefined, isWordSplit: false, side: undefined };
const MAX_MERGE_DEPTH = 16;

/** Text of a file that a "merge" rule or an option names, a byte string; throws if it can't be read. */
export type RuleFileReader = (name: string) => string;

/** One option of the command line that gives rules, in the order given. */
export type RuleOption =
  | { readonly option: "filter" | "include" | "exclude"; readonly value: string }
  | { readonly option: "include-from" | "exclude-from"; readonly value: string };

/**
 * Turns options into rules, in their order. Texts are byte strings.
 * @throws FilterError `bad-rule`; errors of `readFile`
 */
export function parseRuleOptions(options: readonly RuleOption[], readFile: RuleFileReader): FilterRule[] {
  const reader = new RuleReader(readFile, "");
  for (const { option, value } of options) {
    if (option === "filter") reader.addRule(value, PLAIN_GRAMMAR);
    else if (option === "include" || option === "exclude") reader.addPrefixed(value, option);
    else {
      const kind = option === "include-from" ? "include" : "exclude";
      for (const line of rulesIn(readFile(value))) reader.addPrefixed(line, kind);
    }
  }
  return reader.rules;
}

/** Rules of one directory's file. */
export interface MergedRules {
  readonly rules: readonly FilterRule[];
  /** A clear rule in it takes away what the directories above say. */
  readonly isCleared: boolean;
}

/** @param directory of the file, a byte string, "" the top. @throws FilterError `bad-rule`, also for what reads further files */
export function parseMergedText(text: string, grammar: MergeGrammar, directory: string): MergedRules {
  const reader = new RuleReader(undefined, directory);
  reader.addText(text, grammar);
  return { rules: reader.rules, isCleared: reader.isCleared };
}

interface RuleWords {
  readonly name: string;
  readonly modifiers: string;
  readonly pattern: string;
}

class RuleReader {
  rules: FilterRule[] = [];
  isCleared = false;
  readonly #readFile: RuleFileReader | undefined;
  readonly #base: string;
  #depth = 0;

  /** @param readFile undefined: the text comes from the tree and must not name files of this host. @param base what a leading slash stands for */
  constructor(readFile: RuleFileReader | undefined, base: string) {
    this.#readFile = readFile;
    this.#base = base;
  }

  addText(text: string, grammar: MergeGrammar): void {
    const rules = grammar.isWordSplit ? text.split(/[ \t\r\n]+/).filter((word) => word !== "") : rulesIn(text);
    for (const rule of rules) {
      if (grammar.only === undefined) this.addRule(rule, grammar);
      else this.#addPattern(patternAlone(rule, grammar.only), rule, grammar);
    }
  }

  /** A pattern of --include or --exclude: "+ " and "- " before it, and "!" alone, are still understood. */
  addPrefixed(text: string, kind: "include" | "exclude"): void {
    if (text === "!") this.#clear();
    else if (/^[+-] /.test(text)) this.addRule(text, PLAIN_GRAMMAR);
    else this.#addPattern(patternAlone(text, kind), text, PLAIN_GRAMMAR);
  }

  addRule(text: string, grammar: MergeGrammar): void {
    const words = splitRule(text);
    switch (words.name) {
      case "!":
        if (words.pattern !== "") throw badRule(text, "a clear rule has no pattern");
        return this.#clear();
      case ".":
        return this.#addMerge(words, text, grammar);
      case ":":
        return this.#addDirectoryMerge(words, text);
      default:
        return this.#addPattern(words, text, grammar);
    }
  }

  #addPattern({ name, modifiers, pattern }: RuleWords, text: string, { side }: MergeGrammar): void {
    if (pattern === "") throw badRule(text, "it has no pattern");
    if (pattern.length > MAX_PATTERN_BYTES)
      throw badRule(text, `its pattern is longer than ${MAX_PATTERN_BYTES} bytes`);
    assertModifiers(modifiers, "/!sr", text);
    const isSenderOnly = modifiers.includes("s") || side === "sender" || name === "H" || name === "S";
    const isReceiverOnly = modifiers.includes("r") || side === "receiver" || name === "P" || name === "R";
    // "/" asks for the absolute path: the top of the tree is the root of all that there is.
    const base = modifiers.includes("/") ? "" : this.#base;
    const rule: PatternRule = {
      kind: "pattern",
      isInclude: name === "+" || name === "S" || name === "R",
      isNegated: modifiers.includes("!"),
      isForSender: isSenderOnly || !isReceiverOnly,
      isForReceiver: isReceiverOnly || !isSenderOnly,
      pattern: new PathPattern(pattern, base),
      text,
    };
    this.rules.push(rule);
  }

  #addMerge({ modifiers, pattern }: RuleWords, text: string, outer: MergeGrammar): void {
    if (pattern === "") throw badRule(text, "it names no file");
    assertModifiers(modifiers, "+-wsr", text);
    if (this.#readFile === undefined) throw badRule(text, "a file in the tree can't merge others");
    if (++this.#depth > MAX_MERGE_DEPTH) throw badRule(text, "merged files name each other");
    const grammar = grammarOf(modifiers);
    this.addText(this.#readFile(pattern), { ...grammar, side: grammar.side ?? outer.side });
    this.#depth--;
  }

  #addDirectoryMerge({ modifiers, pattern }: RuleWords, text: string): void {
    if (this.#readFile === undefined) throw badRule(text, "a file in the tree can't merge others");
    if (pattern === "" || pattern.includes("/")) throw badRule(text, "it names a file, without directory");
    assertModifiers(modifiers, "+-enwsr", text);
    if (modifiers.includes("e")) this.addPrefixed(pattern, "exclude");
    // As rsync: a file that is named twice is read in its first place.
    if (this.rules.some((rule) => rule.kind === "directory-merge" && rule.fileName === pattern)) return;
    const grammar = grammarOf(modifiers);
    this.rules.push({
      kind: "directory-merge",
      fileName: pattern,
      isInherited: !modifiers.includes("n"),
      grammar,
      text,
    });
  }

  #clear(): void {
    this.rules = [];
    this.isCleared = true;
  }
}

/** Lines that are neither empty nor comments. */
function rulesIn(text: string): string[] {
  return text.split(/[\r\n\0]+/).filter((line) => line !== "" && !/^[#;]/.test(line));
}

function patternAlone(pattern: string, kind: "include" | "exclude"): RuleWords {
  return { name: kind === "include" ? "+" : "-", modifiers: "", pattern };
}

function grammarOf(modifiers: string): MergeGrammar {
  return {
    only: modifiers.includes("+") ? "include" : modifiers.includes("-") ? "exclude" : undefined,
    isWordSplit: modifiers.includes("w"),
    side: modifiers.includes("s") ? "sender" : modifiers.includes("r") ? "receiver" : undefined,
  };
}

/** "RULE PATTERN" or "RULE,MODIFIERS PATTERN"; short names take modifiers without a comma, and "_" may stand for the space. */
function splitRule(text: string): RuleWords {
  const long = /^([a-z-]{4,})(?:,([^ _]*))?(?:[ _]([^]*))?$/.exec(text);
  const short = RULE_NAMES.get(long?.[1] ?? "");
  if (long !== null && short !== undefined) return { name: short, modifiers: long[2] ?? "", pattern: long[3] ?? "" };
  const match = /^([-+.:HSPR!]),?([^ _]*)(?:[ _]([^]*))?$/.exec(text);
  if (match === null)
    throw badRule(text, 'expected "+ PATTERN", "- PATTERN", "merge FILE" or another rule of rsync(1)');
  return { name: match[1]!, modifiers: match[2]!, pattern: match[3] ?? "" };
}

function assertModifiers(modifiers: string, known: string, text: string): void {
  const unknown = [...modifiers].find((modifier) => !known.includes(modifier));
  if (unknown !== undefined) throw badRule(text, `the modifier "${unknown}" is not supported for it`);
}

function badRule(text: string, reason: string): FilterError {
  const shown = Buffer.from(text.slice(0, 200), "latin1").toString();
  return new FilterError("bad-rule", `filter rule "${shown}": ${reason}`);
}

import type { DirectoryMerge, FilterRule, PatternRule } from "./filter-rule.ts";
import { type MergedRules, parseMergedText } from "./parse-rules.ts";

/** Bounds the memory; what is looked at comes in tree order. */
const MAX_REMEMBERED_DIRECTORIES = 100_000;
const NO_RULES: MergedRules = { rules: [], isCleared: false };

/** Which of the two questions is asked: is it in the selection, or is it protected from removal? */
export type FilterSide = "sender" | "receiver";

/** Text of a per-directory file of rules; `directory` is "" at the top. Undefined if there is none. Byte strings. */
export type MergeFileReader = (directory: string, fileName: string) => string | undefined;

/** First rule that matches decides; without one a path is included. Each directory above must be included too. */
export class PathFilter {
  readonly #rules: readonly FilterRule[];
  readonly #readMergeFile: MergeFileReader;
  /** Verdicts on directories, and the rules of their files: siblings come in a row. */
  readonly #directories = new Map<string, boolean>();
  readonly #merged = new Map<string, MergedRules>();
  readonly #side: FilterSide;

  constructor(
    rules: readonly FilterRule[],
    options: { readonly side: FilterSide; readonly readMergeFile?: MergeFileReader },
  ) {
    this.#rules = rules;
    this.#side = options.side;
    this.#readMergeFile = options.readMergeFile ?? (() => undefined);
  }

  /** Is the path, and each directory above it, included? @param path byte string */
  includes(path: string, isDirectory: boolean): boolean {
    const slash = path.lastIndexOf("/");
    if (slash >= 0 && !this.#includesDirectory(path.slice(0, slash))) return false;
    return isDirectory ? this.#includesDirectory(path) : this.admits(path, false);
  }

  /** The verdict on the path itself, whatever is above it. */
  admits(path: string, isDirectory: boolean): boolean {
    return this.#decide(this.#rules, path, isDirectory) ?? true;
  }

  #includesDirectory(path: string): boolean {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf("/");
    const isIncluded = (slash < 0 || this.#includesDirectory(path.slice(0, slash))) && this.admits(path, true);
    if (this.#directories.size >= MAX_REMEMBERED_DIRECTORIES) this.#directories.clear();
    this.#directories.set(path, isIncluded);
    return isIncluded;
  }

  #decide(rules: readonly FilterRule[], path: string, isDirectory: boolean): boolean | undefined {
    for (const rule of rules) {
      const verdict =
        rule.kind === "pattern" ? this.#apply(rule, path, isDirectory) : this.#decideByFiles(rule, path, isDirectory);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }

  #apply(rule: PatternRule, path: string, isDirectory: boolean): boolean | undefined {
    if (!(this.#side === "sender" ? rule.isForSender : rule.isForReceiver)) return undefined;
    return rule.pattern.matches(path, isDirectory) === rule.isNegated ? undefined : rule.isInclude;
  }

  /** The files of the directories above the path, the nearest first. */
  #decideByFiles(merge: DirectoryMerge, path: string, isDirectory: boolean): boolean | undefined {
    for (let end = path.lastIndexOf("/"); ; end = path.lastIndexOf("/", end - 1)) {
      const directory = end < 0 ? "" : path.slice(0, end);
      const { rules, isCleared } = this.#rulesOf(merge, directory);
      const verdict = this.#decide(rules, path, isDirectory);
      if (verdict !== undefined) return verdict;
      if (end < 0 || isCleared || !merge.isInherited) return undefined;
    }
  }

  #rulesOf(merge: DirectoryMerge, directory: string): MergedRules {
    const key = `${directory}/${merge.text}`;
    const known = this.#merged.get(key);
    if (known !== undefined) return known;
    const text = this.#readMergeFile(directory, merge.fileName);
    const merged = text === undefined ? NO_RULES : parseMergedText(text, merge.grammar, directory);
    if (this.#merged.size >= MAX_REMEMBERED_DIRECTORIES) this.#merged.clear();
    this.#merged.set(key, merged);
    return merged;
  }
}

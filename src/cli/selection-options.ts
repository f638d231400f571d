import { readFileSync } from "node:fs";
import { messageOf } from "../core/errors.ts";
import { repoPathFromByteString } from "../core/repo-path.ts";
import { parseRuleOptions, type RuleOption } from "../filter/parse-rules.ts";
import { Selection, type SelectionSettings } from "../filter/selection.ts";
import { UsageError, type ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";

const OPTIONS: readonly OptionSpec[] = [
  { name: "filter", kind: "rule", short: "f", placeholder: "RULE", help: "a filter rule of rsync(1)" },
  { name: "include", kind: "rule", placeholder: "PATTERN", help: "take what matches, whatever later rules say" },
  { name: "exclude", kind: "rule", placeholder: "PATTERN", help: "leave out what matches; it is not removed either" },
  { name: "include-from", kind: "rule", placeholder: "FILE", isPath: true, help: "patterns to include, one a line" },
  { name: "exclude-from", kind: "rule", placeholder: "FILE", isPath: true, help: "patterns to exclude, one a line" },
  { name: "files-from", kind: "text", placeholder: "FILE", isPath: true, help: "take only the paths that FILE lists" },
  { name: "max-size", kind: "size", placeholder: "SIZE", help: "leave larger files alone" },
  { name: "min-size", kind: "size", placeholder: "SIZE", help: "leave smaller files alone" },
  {
    name: "quota",
    kind: "size",
    placeholder: "SIZE",
    help: "take only what fits into SIZE (with --newest or --role volatile)",
  },
  { name: "newest", kind: "flag", help: "of what is selected, take the newest files by mtime (with --quota)" },
  {
    name: "role",
    kind: "text",
    placeholder: "volatile",
    choices: ["volatile"],
    help: "come and go: hold what central assigns of the newest releases (with --quota)",
  },
  { name: "everything", kind: "flag", isOnce: true, help: "forget the selection of earlier runs" },
];

/** What a partial mirror holds, in rsync's words; `sync` and `daemon` share them. */
export const SELECTION_OPTIONS: readonly OptionSpec[] = OPTIONS.map((option) => ({ ...option, group: "selection" }));

/**
 * The selection that the options ask for; undefined if there are none: then the one of the last run holds.
 * @throws UsageError; FilterError `bad-rule`
 */
export function selectionSettings(args: ParsedArguments): SelectionSettings | undefined {
  const listName = args.text("files-from");
  const minSizeBytes = args.number("min-size");
  const maxSizeBytes = args.number("max-size");
  const quotaBytes = quotaOf(args);
  const role = volatileRole(args);
  const given = args.rules.filter(({ name }) => SELECTION_OPTIONS.some((option) => option.name === name));
  const isAsked = given.length > 0 || (listName ?? minSizeBytes ?? maxSizeBytes ?? quotaBytes) !== undefined;
  if (args.flag("everything") && isAsked)
    throw new UsageError(["--everything contradicts the options that select paths"]);
  if (args.flag("everything")) return new Selection().settings;
  if (!isAsked) return undefined;
  const files = new Map<string, string>();
  const rules = given.map(({ name, value }) => ({ option: name, value: toByteString(value) }) as RuleOption);
  // Reads what merge rules name, too; the texts are remembered, so that a run without options needs none of the files.
  parseRuleOptions(rules, (name) => {
    files.set(name, readList(name));
    return files.get(name)!;
  });
  const paths = listName === undefined ? undefined : listedPaths(readList(toByteString(listName)));
  return { rules, ruleFiles: Object.fromEntries(files), paths, minSizeBytes, maxSizeBytes, quotaBytes, role };
}

/** @throws UsageError */
function quotaOf(args: ParsedArguments): number | undefined {
  const quotaBytes = args.number("quota");
  if (quotaBytes !== undefined && quotaBytes < 1) throw new UsageError(["--quota: expected at least 1 byte"]);
  return quotaBytes;
}

/** How much, and which of it: each needs the other. @throws UsageError */
function volatileRole(args: ParsedArguments): SelectionSettings["role"] {
  const hasQuota = args.number("quota") !== undefined;
  const isVolatile = args.text("role") === "volatile";
  if (isVolatile && args.flag("newest"))
    throw new UsageError(["--role volatile and --newest contradict each other: central tells which contents"]);
  if (isVolatile && !hasQuota) throw new UsageError(["--role volatile needs --quota: how much this mirror may hold"]);
  if (!isVolatile && hasQuota !== args.flag("newest"))
    throw new UsageError(["--quota and --newest (or --role volatile) go together: how much, and which of it"]);
  return isVolatile ? "volatile" : undefined;
}

/** Names on the command line are UTF-8; paths are compared byte by byte. */
export function toByteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** @param name a byte string; "-" is standard input */
function readList(name: string): string {
  const path = name === "-" ? "/dev/stdin" : Buffer.from(name, "latin1");
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    throw new UsageError([`"${path.toString()}" can't be read: ${messageOf(error)}`]);
  }
}

/** The lines of --files-from: below the top whatever they begin with, a slash at the end kept. */
function listedPaths(text: string): string[] {
  const lines = text.split(text.includes("\0") ? "\0" : /\r?\n/).filter((line) => line !== "" && !/^[#;]/.test(line));
  return lines.flatMap((line) => {
    const parts = line.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.length === 0) return /\/|\./.test(line) ? ["/"] : [];
    return [`${repoPathFromByteString(parts.join("/"))}${/\/\.?$/.test(line) ? "/" : ""}`];
  });
}

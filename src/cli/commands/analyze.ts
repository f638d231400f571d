import { writeFile } from "node:fs/promises";
import { encodeFileGroups } from "../../manifest/file-groups.ts";
import { Analysis } from "../../analyze/analysis.ts";
import { reportHtml } from "../../analyze/report-html.ts";
import { reportSections } from "../../analyze/report-text.ts";
import { sectionLines } from "../../analyze/section.ts";
import type { TreeReport } from "../../analyze/tree-report.ts";
import { logsInOrder, openLog } from "../log-order.ts";
import { LogReadingThread } from "../log-reading-thread.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { JSON_OPTION, WORK_OPTION, workDirectoryOf } from "../load-options.ts";
import { reportOfFiles, reportOfIndex } from "../tree-facts.ts";
import { assertWritable } from "../writable-outputs.ts";
import type { OptionSpec } from "../option-spec.ts";

const HTML_OPTION: OptionSpec = {
  name: "html",
  kind: "text",
  placeholder: "FILE",
  isPath: true,
  isOnce: true,
  help: "write the report with plots to FILE, one HTML page that loads nothing",
};

const TREE_OPTION: OptionSpec = {
  name: "tree",
  kind: "text",
  placeholder: "WHERE",
  isPath: true,
  isOnce: true,
  help: "a TREE, a DEST or any directory, too: identical and similar files, and what they would save",
};
const READ_FILES_OPTION: OptionSpec = {
  name: "read-files",
  kind: "flag",
  help: "read every file of WHERE, even if its index knows them",
};
const GROUPS_OPTION: OptionSpec = {
  name: "groups",
  kind: "text",
  placeholder: "FILE",
  isPath: true,
  isOnce: true,
  help: "write the groups of files found to FILE, for publish --groups",
};

/** `prsync analyze [LOG…] [--tree WHERE]` */
export const analyzeCommand: Command = {
  name: "analyze",
  summary: "both: what customers download, from access logs",
  description:
    "Reads access logs of nginx and Apache (common and combined format) and transfer logs of rsyncd, in any mix, as they are or packed\n" +
    "by gzip or zstd; - is standard input. Several logs are read in the order of their first lines. Lines that can't be used are\n" +
    "counted and skipped. With --tree the files of a tree are compared by their bytes and sketches; that needs no log. Of a published\n" +
    "tree and of a mirror the index tells that of its release, without a file being read; of other directories all files are read.",
  positionals: [{ name: "LOG", isRepeated: true, isOptional: true }],
  options: [TREE_OPTION, WORK_OPTION, READ_FILES_OPTION, JSON_OPTION, HTML_OPTION, GROUPS_OPTION],
  run: runAnalyze,
};

const NO_TRANSFERS =
  'prsync: lines of rsyncd, no transfer among them: "transfer logging" is off, or "log format" is not its default "%o %h [%a] %m (%u) %f %l"';

async function runAnalyze(args: ParsedArguments, context: CommandContext): Promise<number> {
  const logs = args.positional("LOG") === undefined ? [] : args.repeated("LOG");
  const treePath = args.text("tree");
  if (logs.length === 0 && treePath === undefined) throw new UsageError(["LOG is missing, or --tree WHERE"]);
  await assertWritable(args, ["html", "groups"]);
  const analysis = new Analysis();
  await using reading = new LogReadingThread((block) => analysis.take(block));
  const damaged: string[] = [];
  for (const path of await logsInOrder(logs)) {
    const source = openLog(path, context.signal);
    await reading.readLog(source, context.signal);
    analysis.endLog();
    const damage = source.damage();
    if (damage === undefined) continue;
    damaged.push(path);
    context.complain(`prsync: "${path}" is damaged, read as far as it goes: ${damage}`);
  }
  const tree = treePath === undefined ? null : await analyzeTree(treePath, args, context);
  const report = { ...analysis.report(), tree };
  if (report.lines.notes > 0 && report.formats.rsyncd === 0) context.complain(NO_TRANSFERS);
  const groupsPath = args.text("groups");
  if (groupsPath !== undefined) await writeFile(groupsPath, encodeFileGroups(report.groups.groups));
  const htmlPath = args.text("html");
  if (htmlPath !== undefined) await writeFile(htmlPath, reportHtml(report));
  if (args.flag("json")) context.print(JSON.stringify({ ...report, damaged }));
  else for (const line of reportSections(report).flatMap(sectionLines)) context.print(line);
  return EXIT.ok;
}

async function analyzeTree(path: string, args: ParsedArguments, context: CommandContext): Promise<TreeReport> {
  const { signal } = context;
  const place = {
    path,
    workDirectory: workDirectoryOf(path, args),
    complain: (line: string) => context.complain(line),
    signal,
  };
  const known = args.flag("read-files") ? undefined : await reportOfIndex(place);
  if (known === undefined && args.text("work") !== undefined && !args.flag("read-files")) {
    throw new UsageError([`--work: no index of a published tree in "${place.workDirectory}"`]);
  }
  return known ?? (await reportOfFiles(place));
}

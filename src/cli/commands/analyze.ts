import { writeFile } from "node:fs/promises";
import { Analysis } from "../../analyze/analysis.ts";
import { firstLogTime } from "../../analyze/first-log-time.ts";
import { reportHtml } from "../../analyze/report-html.ts";
import { reportSections, sectionLines } from "../../analyze/report-text.ts";
import { readLog, readLogStream, type LogSource } from "../../store/log-source.ts";
import type { ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { JSON_OPTION } from "../load-options.ts";
import type { OptionSpec } from "../option-spec.ts";

const HTML_OPTION: OptionSpec = {
  name: "html",
  kind: "text",
  placeholder: "FILE",
  isPath: true,
  isOnce: true,
  help: "write the report with plots to FILE, one HTML page that loads nothing",
};

/** `prsync analyze LOG…` */
export const analyzeCommand: Command = {
  name: "analyze",
  summary: "both: what customers download, from access logs",
  description:
    "Reads access logs of nginx and Apache (common and combined format) and transfer logs of rsyncd, in any mix, as they are or packed\n" +
    "by gzip or zstd; - is standard input. Several logs are read in the order of their first lines. Lines that can't be used are\n" +
    "counted and skipped.",
  positionals: [{ name: "LOG", isRepeated: true }],
  options: [JSON_OPTION, HTML_OPTION],
  run: runAnalyze,
};

const STANDARD_INPUT = "-";

async function runAnalyze(args: ParsedArguments, context: CommandContext): Promise<number> {
  const analysis = new Analysis();
  const damaged: string[] = [];
  for (const path of await inOrderOfTime(args.repeated("LOG"))) {
    const source = sourceOf(path);
    await readInto(analysis, source, context.signal);
    const damage = source.damage();
    if (damage === undefined) continue;
    damaged.push(path);
    context.complain(`prsync: "${path}" is damaged, read as far as it goes: ${damage}`);
  }
  const report = analysis.report();
  const htmlPath = args.text("html");
  if (htmlPath !== undefined) await writeFile(htmlPath, reportHtml(report));
  if (args.flag("json")) context.print(JSON.stringify({ ...report, damaged }));
  else for (const line of reportSections(report).flatMap(sectionLines)) context.print(line);
  return EXIT.ok;
}

async function readInto(analysis: Analysis, source: LogSource, signal: AbortSignal): Promise<void> {
  for await (const chunk of source) {
    signal.throwIfAborted();
    analysis.push(chunk);
  }
  analysis.endLog();
}

/** A shell gives access.log, access.log.1, access.log.2.gz: newest first. What has no time comes last. */
async function inOrderOfTime(paths: readonly string[]): Promise<string[]> {
  const timed: { readonly path: string; readonly time: number }[] = [];
  for (const path of paths) {
    const time = path === STANDARD_INPUT ? undefined : await firstTimeOf(path);
    timed.push({ path, time: time ?? Infinity });
  }
  return timed.sort((a, b) => (a.time === b.time ? 0 : a.time - b.time)).map(({ path }) => path);
}

/** Looks at the first chunk alone. */
async function firstTimeOf(path: string): Promise<number | undefined> {
  for await (const chunk of readLog(path)) return firstLogTime(chunk);
  return undefined;
}

function sourceOf(path: string): LogSource {
  return path === STANDARD_INPUT ? readLogStream(process.stdin) : readLog(path);
}

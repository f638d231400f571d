import { appendFileSync } from "node:fs";
import { messageOf } from "../core/errors.ts";
import { UsageError, type ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";
import type { CommandContext } from "./command.ts";
import { createLineLogger, jsonRecord, type LineLogger, type LogFormat, type LogLevel } from "./line-logger.ts";
import { logFormatOf } from "./load-options.ts";

export const LOG_FILE_OPTION: OptionSpec = {
  name: "log-file",
  kind: "text",
  placeholder: "FILE",
  isPath: true,
  help: "append what is done to FILE, a line per change",
};

/**
 * `--log-file`: rsync's lines (`2026/11/21 18:00:00 [4711] >f+++++++++ path`), or a JSON object per line with the same text
 * as `message`. Opened for each write, so that a rotated log is followed without a signal.
 */
export class LogFile {
  readonly #path: string;
  readonly #format: LogFormat;
  #waiting: string[] = [];

  /** @throws UsageError if the file can't be written */
  constructor(path: string, format: LogFormat) {
    this.#path = path;
    this.#format = format;
    try {
      appendFileSync(path, "");
    } catch (error) {
      throw new UsageError([`--log-file: ${messageOf(error)}`]);
    }
  }

  /** What the program logs at all, from "info" on. */
  logger(): LineLogger {
    if (this.#format === "json") return createLineLogger("info", (record) => this.#append([record]), "json");
    return createLineLogger("info", (line) => this.write([withoutTime(line)]));
  }

  /** Writes lines with time and process. */
  write(lines: Iterable<string>, level: LogLevel = "info"): void {
    this.#append(this.#records(lines, level));
  }

  *#records(lines: Iterable<string>, level: LogLevel): Generator<string> {
    const stamp = `${timeOf(new Date())} [${process.pid}]`;
    for (const line of lines) yield this.#format === "json" ? jsonRecord(level, {}, line) : `${stamp} ${line}`;
  }

  #append(records: Iterable<string>): void {
    for (const record of records) {
      this.#waiting.push(`${record}\n`);
      if (this.#waiting.length >= LINES_AT_ONCE) this.#flush();
    }
    this.#flush();
  }

  /** A full disk must not end what is logged. */
  #flush(): void {
    const text = this.#waiting.join("");
    this.#waiting = [];
    try {
      appendFileSync(this.#path, text);
    } catch {
      // Nowhere to tell it: the program's own output says what matters.
    }
  }
}

const LINES_AT_ONCE = 1_000;

/** Local time, as rsync's log has it. */
function timeOf(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("/");
  return `${day} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
}

/** Undefined without the option. @throws UsageError */
export function openLogFile(args: ParsedArguments): LogFile | undefined {
  const path = args.text("log-file");
  return path === undefined ? undefined : new LogFile(path, logFormatOf(args));
}

/** The same context, whose complaints have the log's format and go to the log file, too, as log lines (from "info" on) do. */
export function loggingContext(context: CommandContext, file: LogFile | undefined, format: LogFormat): CommandContext {
  const toFile = file?.logger();
  return {
    ...context,
    complain: (line) => {
      const level = line.startsWith("prsync error:") ? "error" : "warn";
      context.complain(format === "json" ? jsonRecord(level, {}, line) : line);
      file?.write([line], level);
    },
    createLogger: (level) => {
      const log = context.createLogger(level, format);
      return toFile === undefined ? log : both(log, toFile);
    },
  };
}

/** The file has its own. */
function withoutTime(line: string): string {
  return line.slice(line.indexOf(" ") + 1);
}

function both(first: LineLogger, second: LineLogger): LineLogger {
  const log =
    (level: LogLevel) =>
    (...told: Parameters<LineLogger["info"]>): void => {
      first[level](...told);
      second[level](...told);
    };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

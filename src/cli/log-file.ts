import { appendFileSync } from "node:fs";
import { messageOf } from "../core/errors.ts";
import { UsageError, type ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";
import type { CommandContext } from "./command.ts";
import { createLineLogger, type LineLogger } from "./line-logger.ts";

export const LOG_FILE_OPTION: OptionSpec = {
  name: "log-file",
  kind: "text",
  placeholder: "FILE",
  isPath: true,
  help: "append what is done to FILE, a line per change",
};

/**
 * `--log-file`: rsync's lines (`2026/11/21 18:00:00 [4711] >f+++++++++ path`). Opened for each write, so that a rotated log is
 * followed without a signal.
 */
export class LogFile {
  readonly #path: string;
  #waiting: string[] = [];

  /** @throws UsageError if the file can't be written */
  constructor(path: string) {
    this.#path = path;
    try {
      appendFileSync(path, "");
    } catch (error) {
      throw new UsageError([`--log-file: ${messageOf(error)}`]);
    }
  }

  /** Writes lines with time and process before them. */
  write(lines: Iterable<string>): void {
    const stamp = timeOf(new Date());
    for (const line of lines) {
      this.#waiting.push(`${stamp} [${process.pid}] ${line}\n`);
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
  return path === undefined ? undefined : new LogFile(path);
}

/** The same context, whose complaints and log lines (from "info" on) go to the log file, too. */
export function loggingContext(context: CommandContext, file: LogFile | undefined): CommandContext {
  if (file === undefined) return context;
  const toFile = createLineLogger("info", (line) => file.write([withoutTime(line)]));
  return {
    ...context,
    complain: (line) => {
      context.complain(line);
      file.write([line]);
    },
    createLogger: (level) => both(context.createLogger(level), toFile),
  };
}

/** The file has its own. */
function withoutTime(line: string): string {
  return line.slice(line.indexOf(" ") + 1);
}

function both(first: LineLogger, second: LineLogger): LineLogger {
  const log =
    (level: keyof LineLogger) =>
    (...told: Parameters<LineLogger["info"]>): void => {
      first[level](...told);
      second[level](...told);
    };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

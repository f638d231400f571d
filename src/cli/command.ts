import type { ArgumentSpec, ParsedArguments } from "./arguments.ts";
import type { LineLogger, LogFormat } from "./line-logger.ts";

/** What a command may touch of the process. Nothing else reads argv or the environment. */
export interface CommandContext {
  /** A line on standard output. */
  print(line: string): void;
  /** A line on standard error. */
  complain(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True if standard error is a terminal: progress may be drawn there. */
  readonly isTerminal: boolean;
  /** Aborted by SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Log lines go to standard error. */
  createLogger(level: "quiet" | "normal" | "verbose", format?: LogFormat): LineLogger;
}

export interface Command extends ArgumentSpec {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Paragraphs after the usage line of `prsync help NAME`. */
  readonly description: string;
  /** Resolves to the exit code. */
  run(args: ParsedArguments, context: CommandContext): Promise<number>;
}

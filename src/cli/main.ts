import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { displayPath } from "../core/repo-path.ts";
import { messageOf, systemErrorCode } from "../core/errors.ts";
import { parseArguments, UsageError, type ParsedArguments } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { loadCommand, loadCommands } from "./commands.ts";
import { ConfigError } from "./config/config-error.ts";
import { configDirectories, configure, mayBeConfigured } from "./config/configuration.ts";
import { EXIT, exitCodeOf, isOurs, systemExitCodeOf } from "./exit-codes.ts";
import { describeCommand, describeProgram, usageLine } from "./help.ts";
import { createLineLogger, LEAST_LEVEL } from "./line-logger.ts";

process.exitCode = await main(process.argv.slice(2));

/** Runs the command that `words` name and turns whatever happens into an exit code: the only place that does. */
async function main(words: readonly string[]): Promise<number> {
  const context = createContext();
  const [name, ...rest] = words;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") return help(rest[0], context);
  if (name === "--version" || name === "version") {
    context.print(readVersion());
    return EXIT.ok;
  }
  const command = await loadCommand(name);
  if (command === undefined)
    return complain(new UsageError([`unknown command "${name}"; prsync help lists them`]), context);
  if (rest.includes("--help") || rest.includes("-h")) return help(name, context);
  let args: ParsedArguments | undefined;
  try {
    const typed = parseArguments(rest, command);
    const directories = configDirectories(context.env, homedir());
    const commands = mayBeConfigured(typed, command) ? await loadCommands() : [];
    args = configure(typed, command, { commands, directories, env: context.env });
    return await command.run(args, context);
  } catch (error) {
    if (error instanceof UsageError) context.complain(`Usage: ${usageLine(command)}`);
    if (exitCodeOf(error) === EXIT.usage && args?.configured !== undefined)
      context.complain(`prsync: note: options of ${args.configured.from} are in force, too`);
    return context.signal.aborted ? complainOfSignal(context) : complain(firstFailure(error), context);
  }
}

async function help(name: string | undefined, context: CommandContext): Promise<number> {
  const command = name === undefined ? undefined : await loadCommand(name);
  if (name !== undefined && command === undefined)
    return complain(new UsageError([`unknown command "${name}"`]), context);
  context.print(
    command === undefined ? describeProgram(await loadCommands(), readVersion()) : describeCommand(command),
  );
  return EXIT.ok;
}

/** Whatever was thrown after that: the work was cut off, not failed. */
function complainOfSignal(context: CommandContext): number {
  context.complain(`prsync: ended before it was done: ${messageOf(context.signal.reason)}`);
  context.complain(`prsync error: signal (code ${EXIT.signal})`);
  return EXIT.signal;
}

/** What failed first, where closing up failed too. */
function firstFailure(error: unknown): unknown {
  let first = error;
  while (first instanceof SuppressedError) first = first.suppressed;
  return first;
}

/** The two lines of design: what failed and why, then the code. */
function complain(error: unknown, context: CommandContext): number {
  const code = exitCodeOf(error);
  if (error instanceof UsageError || error instanceof ConfigError) {
    for (const problem of error.problems) context.complain(`prsync: ${displayText(problem)}`);
  } else if (isOurs(error) || systemExitCodeOf(error) !== undefined) {
    context.complain(`prsync: ${displayText(describeChain(error as Error))}`);
  } else {
    context.complain(
      `prsync: unexpected failure, please report it: ${error instanceof Error ? error.stack : String(error)}`,
    );
  }
  const kind = isOurs(error) ? error.code : (systemCodeOf(error) ?? "internal");
  context.complain(`prsync error: ${kind} (code ${code})`);
  return code;
}

function systemCodeOf(error: unknown): string | undefined {
  return systemExitCodeOf(error) === undefined ? undefined : systemErrorCode(error);
}

function describeChain(error: Error): string {
  const cause = error.cause === undefined ? "" : messageOf(error.cause);
  const message = messageOf(error);
  return cause === "" || message.includes(cause) ? message : `${message}: ${cause}`;
}

/** Messages may quote outside text; a terminal must not act on it. */
function displayText(text: string): string {
  return displayPath(Buffer.from(text, "utf8").toString("latin1"));
}

function createContext(): CommandContext {
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => abort.abort(new Error(`got ${signal}`)));
  }
  // Whoever read our output (head, a pager) may leave early; that ends nothing.
  process.stdout.on("error", () => undefined);
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    complain: (line) => void process.stderr.write(`${line}\n`),
    env: process.env,
    isTerminal: process.stderr.isTTY,
    signal: abort.signal,
    createLogger: (level, format) =>
      createLineLogger(LEAST_LEVEL[level], (line) => process.stderr.write(`${line}\n`), format),
  };
}

function readVersion(): string {
  // From src/cli in development, from dist/src/cli when built.
  for (const relative of ["../../package.json", "../../../package.json"]) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(relative, import.meta.url), "utf8"));
      if (isPackage(manifest)) return manifest.version;
    } catch {
      continue; // not there: the other place has it
    }
  }
  return "unknown";
}

function isPackage(value: unknown): value is { readonly version: string } {
  return (
    typeof value === "object" && value !== null && "name" in value && value.name === "prsync" && "version" in value
  );
}

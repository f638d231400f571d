import { existsSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { resolveStateDirectory } from "../store/state-directory.ts";
import type { ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";
import { UsageError } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { LOG_FORMATS, type LogFormat } from "./line-logger.ts";

/** Options that every command on a TREE or DEST takes. */
export const STATE_OPTION: OptionSpec = {
  name: "state",
  kind: "text",
  placeholder: "DIR",
  isPath: true,
  help: "where keys, identity and marks lie (default: by the name of the directory under $PRSYNC_STATE_HOME or /var/lib/prsync)",
};
export const CONFIG_OPTION: OptionSpec = {
  name: "config",
  kind: "text",
  placeholder: "FILE",
  isOnce: true,
  help: "look for the name of a mirror or tree in FILE alone (default ~/.config/prsync/*.toml, then /etc/prsync/*.toml)",
};
export const JSON_OPTION: OptionSpec = {
  name: "json",
  kind: "flag",
  help: "print JSON and nothing else on standard output",
};
export const QUIET_OPTION: OptionSpec = {
  name: "quiet",
  kind: "flag",
  short: "q",
  help: "log errors only, draw no progress",
};
export const VERBOSE_OPTION: OptionSpec = { name: "verbose", kind: "flag", short: "v", help: "log more" };
export const LOG_FORMAT_OPTION: OptionSpec = {
  name: "log-format",
  kind: "text",
  placeholder: "lines|json",
  choices: LOG_FORMATS,
  help: "log as lines of text (default) or as a JSON object per line",
};
export const WORK_OPTION: OptionSpec = {
  name: "work",
  kind: "text",
  placeholder: "DIR",
  isPath: true,
  help: "index and retained contents (default TREE.prsync beside TREE; on the same file system)",
};

/** The state directory of a TREE or DEST: --state, else by environment and user. */
export function stateDirectoryOf(targetPath: string, args: ParsedArguments, context: CommandContext): string {
  return resolveStateDirectory({
    targetPath,
    explicit: args.text("state"),
    stateHome: context.env["PRSYNC_STATE_HOME"],
    isRoot: process.geteuid?.() === 0,
    xdgStateHome: context.env["XDG_STATE_HOME"],
    homeDirectory: homedir(),
  });
}

/**
 * The state directory of a repository that exists: a mistyped TREE must not look like one without mirrors.
 * @throws UsageError
 */
export function repositoryStateOf(treePath: string, args: ParsedArguments, context: CommandContext): string {
  const stateDirectory = stateDirectoryOf(treePath, args, context);
  if (existsSync(join(stateDirectory, "tuf"))) return stateDirectory;
  throw new UsageError([
    `"${treePath}" is no published tree (no state in "${stateDirectory}"): run prsync publish first`,
  ]);
}

/** TREE.prsync beside TREE (the real one: state goes by the real path too) unless --work names another. */
export function workDirectoryOf(treePath: string, args: ParsedArguments): string {
  return resolve(args.text("work") ?? `${realPathOf(treePath)}.prsync`);
}

/** A path that does not exist is its own real path: whoever needs it will say so. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** "HOST:PORT", ":PORT", "[::1]:PORT" → parts. @throws UsageError */
export function parseListen(text: string, option: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new UsageError([`--${option}: expected HOST:PORT, got "${text}"`]);
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" ? "::" : host, port };
}

export function logFormatOf(args: ParsedArguments): LogFormat {
  return args.text("log-format") === "json" ? "json" : "lines";
}

export function logLevelOf(args: ParsedArguments): "quiet" | "normal" | "verbose" {
  return args.flag("verbose") ? "verbose" : args.flag("quiet") ? "quiet" : "normal";
}

/** A base URL as an option; no slash at the end. @throws UsageError */
export function parseBaseUrl(text: string, option: string): string {
  const url = URL.parse(text);
  const isBase = (url?.protocol === "http:" || url?.protocol === "https:") && url.search === "" && url.hash === "";
  if (!isBase) throw new UsageError([`--${option}: expected an http or https URL without query, got "${text}"`]);
  return url.href.replace(/\/$/, "");
}

import type { OptionSpec } from "./option-spec.ts";
import type { Command } from "./command.ts";

/** `prsync TREE [--option VALUE]` as one line. */
export function usageLine(command: Command): string {
  const positionals = command.positionals.map(({ name, isOptional, isRepeated }) => {
    const words = isRepeated === true ? `${name}…` : name;
    return isOptional === true ? `[${words}]` : words;
  });
  return ["prsync", command.name, ...positionals, ...(command.options.length > 0 ? ["[options]"] : [])].join(" ");
}

/** The page of one command. */
export function describeCommand(command: Command): string {
  const lines = [`Usage: ${usageLine(command)}`, "", command.description];
  const place = command.options.some(({ name }) => name === "config") ? placeOf(command) : undefined;
  if (place !== undefined)
    lines.push(
      "",
      `${place} is a directory, or a name from a configuration file (admin guide); --no-NAME takes back an option of that.`,
    );
  if (command.options.length > 0) {
    const labels = command.options.map(labelOf);
    const width = Math.max(...labels.map((label) => label.length));
    lines.push("", "Options:");
    command.options.forEach((option, index) => lines.push(`  ${labels[index]!.padEnd(width)}  ${option.help}`));
  }
  return lines.join("\n");
}

/** The directory that a command is about. */
function placeOf({ positionals }: Command): string | undefined {
  return positionals.find(({ name }) => ["DEST", "TREE", "WHERE"].includes(name))?.name;
}

/** The page of `prsync` alone. */
export function describeProgram(commands: readonly Command[], version: string): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  return [
    `prsync ${version}: mirrors that synchronise by rolling checksums and share by BitTorrent`,
    "",
    "Usage: prsync COMMAND …",
    "",
    ...commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`),
    "",
    "prsync help COMMAND tells more. Exit codes: docs/errors.md.",
  ].join("\n");
}

function labelOf(option: OptionSpec): string {
  const value = option.kind === "flag" ? "" : ` ${option.placeholder ?? "VALUE"}`;
  return `${option.short === undefined ? "    " : `-${option.short}, `}--${option.name}${value}`;
}

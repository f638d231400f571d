import { parseArguments } from "../../src/cli/arguments.ts";
import type { Command } from "../../src/cli/command.ts";

/** Runs a command that logs nothing in this process, as from a pipe and without environment. */
export async function runCommand(
  command: Command,
  words: readonly string[],
): Promise<{ code: number; printed: string; complaints: string[] }> {
  const [printed, complaints]: [string[], string[]] = [[], []];
  const code = await command.run(parseArguments(words, command), {
    print: (line) => void printed.push(line),
    complain: (line) => void complaints.push(line),
    env: {},
    isTerminal: false,
    signal: new AbortController().signal,
    createLogger: () => {
      throw new Error(`${command.name} logs nothing`);
    },
  });
  return { code, printed: printed.join("\n"), complaints };
}

import { expect, test } from "vitest";
import { parseArguments, UsageError } from "../../../src/cli/arguments.ts";
import { loadCommands } from "../../../src/cli/commands.ts";
import { RSYNC_WORDS } from "../../../src/cli/rsync-words.ts";

const COMMANDS = await loadCommands();

function problemsOf(name: string, words: readonly string[]): readonly string[] {
  try {
    parseArguments(
      words,
      COMMANDS.find((command) => command.name === name)!,
    );
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).problems;
  }
}

test.for(["sync", "daemon"])("%s tells whoever comes with a line of rsync's what to write", (name) => {
  expect(problemsOf(name, ["-azH", "--delete-after", "--partial", "DEST"])).toEqual([
    "-a: sync and daemon mean rsync's -rlptH; add --owner --group for the rest of -a, and leave it out",
    "-z: contents travel as they are, most of them compressed already; leave it out",
    "--delete-after: removals come last in any case: sync takes --delete, and daemon removes what releases drop",
    "--partial: what was verified is kept in any case, in DEST/.prsync/staging; leave it out",
  ]);
});

test("other options are unknown, and nothing that is explained exists", () => {
  expect(problemsOf("sync", ["--such", "DEST"])).toEqual(["unknown option --such"]);
  expect(problemsOf("publish", ["-a", "TREE"])).toEqual(["unknown option -a"]);
  const taken = COMMANDS.filter(({ explains }) => explains !== undefined).flatMap(({ options }) =>
    options.flatMap(({ name, short }) => [name, ...(short === undefined ? [] : [short])]),
  );
  expect(taken.filter((name) => RSYNC_WORDS.has(name))).toEqual([]);
});

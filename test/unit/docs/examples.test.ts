import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseArguments } from "../../../src/cli/arguments.ts";
import { loadCommands } from "../../../src/cli/commands.ts";
import { configure } from "../../../src/cli/config/configuration.ts";

const COMMANDS = await loadCommands();

const root = join(import.meta.dirname, "../../..");
const guide = readFileSync(join(root, "docs/admin-guide.md"), "utf8");
const examples = readdirSync(join(root, "docs/examples")).map((name) => ({
  name,
  text: readFileSync(join(root, "docs/examples", name), "utf8"),
}));

test("the admin guide shows each example as it is", () => {
  expect(examples.length).toBe(6);
  expect(examples.filter(({ text }) => !guide.includes(`\`\`\`\n${text}\`\`\``)).map(({ name }) => name)).toEqual([]);
});

test("each command line of an example is one that the program takes", () => {
  const lines = examples.flatMap(({ text }) =>
    [...text.matchAll(/(?:^|[ /])prsync ([a-z]+ .*)$/gm)].map(([, words]) => words!),
  );
  const commands = lines.map((line) => {
    const [name, ...words] = line.split(" ");
    parseArguments(
      words,
      COMMANDS.find((command) => command.name === name)!,
    );
    return name;
  });
  expect(commands.toSorted()).toEqual(["daemon", "serve", "sync", "sync"]);
});

test("the configuration file is one that each command takes", () => {
  const path = join(root, "docs/examples/prsync.toml");
  const search = { commands: COMMANDS, directories: [], env: {} };
  const named = ["sync debian", "daemon images", "status debian", "verify images"].map((line) => {
    const [name, word] = line.split(" ");
    const command = COMMANDS.find((candidate) => candidate.name === name)!;
    const { configured } = configure(parseArguments([word!, "--config", path], command), command, search);
    return [...configured!.values.keys()].toSorted().join(" ");
  });
  expect(named).toEqual([
    "bwlimit delete filter linger pre-sync quiet",
    "bwlimit listen peer-port public-url quiet scrub",
    "",
    "peer-port quiet",
  ]);
});

test("the package holds them", () => {
  const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { files: string[] };
  expect(files).toContain("docs");
});

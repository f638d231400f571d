import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { ChildFailure } from "../demo/child-program.ts";
import { runShow } from "../demo/show.ts";
import { EXIT } from "../exit-codes.ts";

/** `prsync demo` */
export const demoCommand: Command = {
  name: "demo",
  summary: "newcomer: central and three mirrors on this machine, and what moved from where",
  description:
    "Makes a tree of real files (about 30 MB), publishes it, serves it, lets three mirrors follow two releases, and shows per\n" +
    "mirror what was reused, what came from other mirrors and what from the origin. Everything runs on loopback as processes of\n" +
    "its own, in a temporary directory (about 150 MB) that is removed at the end. Takes less than a minute.",
  positionals: [],
  options: [{ name: "keep", kind: "flag", help: "leave the directory behind and tell where it is" }],
  run: runDemo,
};

async function runDemo(args: ParsedArguments, context: CommandContext): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "prsync-demo-"));
  try {
    await runShow(directory, context);
    return EXIT.ok;
  } catch (error) {
    if (context.signal.aborted || !(error instanceof ChildFailure)) throw error;
    context.complain(`prsync: demo stopped: ${error.message}`);
    context.complain(`prsync error: a program of the demo failed (code ${error.exitCode})`);
    return error.exitCode;
  } finally {
    if (args.flag("keep")) context.print(`\nThe directory stays: ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  }
}

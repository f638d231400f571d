import type { SyncDetails } from "../edge/sync-details.ts";
import type { SyncOutcome } from "../edge/sync-job.ts";
import { itemizedLine } from "../report/itemized-change.ts";
import type { StatsFacts } from "../report/sync-stats.ts";
import { describeSync, type SyncSummary } from "../report/sync-summary.ts";
import type { ParsedArguments } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { EXIT } from "./exit-codes.ts";

/** What `sync` ends in. */
export function exitCodeOfOutcome(outcome: {
  readonly failures: readonly unknown[];
  readonly hasTooManyRemovals: boolean;
}): number {
  if (outcome.hasTooManyRemovals) return EXIT.maxDelete;
  return outcome.failures.length === 0 ? EXIT.ok : EXIT.someFilesFailed;
}

/** Tells that the guard against a wiped release held. @returns the exit code */
export function endingInMaxDelete(context: CommandContext): number {
  tellMaxDelete(context);
  context.complain(`prsync error: max-delete (code ${EXIT.maxDelete})`);
  return EXIT.maxDelete;
}

/** For a run that ends in another code, too. */
export function tellMaxDelete(context: CommandContext): void {
  context.complain("prsync: nothing was removed: more paths would have gone than --max-delete allows");
}

/** What `--itemize-changes` prints. */
export function* itemizedLines(details: SyncDetails, args: ParsedArguments): Generator<string> {
  const rules = { checksum: args.flag("checksum") };
  for (const change of details.changes()) yield itemizedLine(change, rules);
}

/** What `--stats` tells about. */
export function statsFacts(summary: SyncSummary, details: SyncDetails): StatsFacts {
  const entries = details.entries();
  const { literalBytes } = details;
  const totalBytes = entries.fileBytes + entries.targetBytes;
  return { summary, entries, totalBytes, changes: details.changes(), literalBytes };
}

/** What `--log-file` gets of a sync: the changes, then the summary. */
export function* logLines({ details, summary }: SyncOutcome, args: ParsedArguments): Generator<string> {
  yield* itemizedLines(details, args);
  yield* describeSync(summary).split("\n");
}

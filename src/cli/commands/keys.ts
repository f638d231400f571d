import { resolve } from "node:path";
import { realClock } from "../../net/real-clock.ts";
import { TufRepository } from "../../publisher/tuf-repository.ts";
import { TUF_ROLES, type TufRole } from "../../trust/tuf-roles.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CONFIG_OPTION, JSON_OPTION, STATE_OPTION, repositoryStateOf } from "../load-options.ts";

/** `prsync keys TREE [list | rotate ROLE | export DIR | threshold ROLE N]` */
export const keysCommand: Command = {
  name: "keys",
  summary: "central: list, rotate and export the keys that sign releases",
  description:
    "prsync keys TREE list               the keys of each role, and which of them are on this machine\n" +
    "prsync keys TREE rotate ROLE        new key for root, targets, snapshot or timestamp; mirrors follow by themselves\n" +
    "prsync keys TREE export DIR         move the root and targets keys to DIR, to keep them offline\n" +
    "prsync keys TREE threshold ROLE N   how many keys must sign; missing ones are made",
  positionals: [
    { name: "TREE" },
    { name: "ACTION" },
    { name: "FIRST", isOptional: true },
    { name: "SECOND", isOptional: true },
  ],
  options: [CONFIG_OPTION, STATE_OPTION, JSON_OPTION],
  run: runKeys,
};

async function runKeys(args: ParsedArguments, context: CommandContext): Promise<number> {
  const stateDirectory = repositoryStateOf(resolve(args.required("TREE")), args, context);
  const repository = await TufRepository.openOrCreate(stateDirectory, realClock);
  const rows = await act(repository, args);
  if (args.flag("json")) context.print(JSON.stringify(rows));
  else for (const row of rows) context.print(Object.values(row).map(String).join("\t"));
  return EXIT.ok;
}

type KeyRow = Readonly<Record<string, string | number | boolean>>;

async function act(repository: TufRepository, args: ParsedArguments): Promise<readonly KeyRow[]> {
  const action = args.required("ACTION");
  const [first, second] = [args.positional("FIRST"), args.positional("SECOND")];
  switch (action) {
    case "list": {
      const keys = await repository.listKeys();
      return keys.map(({ role, keyId, isHere, isTrusted, threshold }) => ({
        role,
        keyId,
        place: isHere ? "here" : "offline",
        trust: isTrusted ? "trusted" : "no longer trusted",
        threshold,
      }));
    }
    case "rotate":
      return shown(await repository.rotateKeys(roleOf(first)));
    case "export":
      if (first === undefined) throw new UsageError(["export needs DIR"]);
      return shown(await repository.exportKeys(resolve(first)));
    case "threshold":
      return shown(await repository.setThreshold(roleOf(first), countOf(second)));
    default:
      throw new UsageError([`ACTION: expected list, rotate, export or threshold, got "${action}"`]);
  }
}

function shown(keys: Awaited<ReturnType<TufRepository["rotateKeys"]>>): readonly KeyRow[] {
  return keys.map(({ role, keyId }) => ({ role, keyId }));
}

function roleOf(text: string | undefined): TufRole {
  const role = TUF_ROLES.find((candidate) => candidate === text);
  if (role !== undefined) return role;
  throw new UsageError([`ROLE: expected one of ${TUF_ROLES.join(", ")}, got "${text ?? ""}"`]);
}

function countOf(text: string | undefined): number {
  if (text !== undefined && /^[1-9]\d?$/.test(text)) return Number(text);
  throw new UsageError([`N: expected 1 to 99, got "${text ?? ""}"`]);
}

import type { AttributeRules } from "../plan/held-attributes.ts";
import { parseModeChanges } from "../plan/mode-changes.ts";
import { UsageError, type ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";

/** Which attributes a mirror takes over, in rsync's words; `sync` and `daemon` share them. */
export const ATTRIBUTE_OPTIONS: readonly OptionSpec[] = [
  {
    name: "perms",
    kind: "flag",
    short: "p",
    help: "set-user-id and set-group-id bits too (other bits always are kept)",
  },
  { name: "owner", kind: "flag", short: "o", help: "users of files, as far as releases name them (only root can)" },
  {
    name: "group",
    kind: "flag",
    short: "g",
    help: "groups of files, as far as releases name them and this user is in them",
  },
  { name: "numeric-ids", kind: "flag", help: "users and groups go by number, not by name (always so)" },
  { name: "times", kind: "flag", short: "t", help: "keep modification times (always so)" },
  { name: "links", kind: "flag", short: "l", help: "keep symlinks as symlinks (always so)" },
  { name: "hard-links", kind: "flag", short: "H", help: "keep hard links (always so)" },
  {
    name: "chmod",
    kind: "rule",
    placeholder: "CHMOD",
    help: "change modes as they arrive: Dg+s,ug+w,Fo-w,+X or D755,F644",
  },
];

/** What this process may do, and does by default. */
export interface ProcessRights {
  /** For `--chmod` clauses that name nobody. */
  readonly umask: number;
  readonly isRoot: boolean;
  /** That this user is in. */
  readonly groups: readonly number[];
}

/** @throws UsageError */
export function attributeRules(args: ParsedArguments, { umask, isRoot, groups }: ProcessRights): AttributeRules {
  const clauses = args.rules.filter(({ name }) => name === "chmod").map(({ value }) => value);
  const modeChanges = clauses.map((text) => parseModeChanges(text, umask));
  const bad = clauses.filter((_, index) => modeChanges[index] === undefined);
  if (bad.length > 0) throw new UsageError(bad.map((text) => `--chmod: "${text}" is no mode that rsync(1) knows`));
  return {
    keepsSetIds: args.flag("perms"),
    modeChanges: modeChanges.flatMap((changes) => changes ?? []),
    keepsOwner: args.flag("owner") && isRoot,
    keepsGroup: args.flag("group"),
    ...(args.flag("group") && !isRoot && { ownGroups: groups }),
  };
}

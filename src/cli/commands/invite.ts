import { resolve } from "node:path";
import { realClock } from "../../net/real-clock.ts";
import { TufRepository } from "../../publisher/tuf-repository.ts";
import { VolunteerRegistry } from "../../store/volunteer-registry.ts";
import { encodeTicket, isSiteName, isVolunteerName } from "../../trust/ticket.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { parseBaseUrl, CONFIG_OPTION, STATE_OPTION, repositoryStateOf } from "../load-options.ts";

/** `prsync invite TREE NAME` */
export const inviteCommand: Command = {
  name: "invite",
  summary: "central: print the ticket that admits a new mirror",
  description:
    "Prints a ticket, alone, on standard output. Whoever has it can enrol one mirror under NAME: hand it over by a safe way.\n" +
    "The same name gives the same ticket until it was used; --again makes a new one and revokes the mirror that used it.",
  positionals: [{ name: "TREE" }, { name: "NAME" }],
  options: [
    { name: "url", kind: "text", placeholder: "URL", help: "how the mirror reaches `prsync serve` (needed)" },
    {
      name: "site",
      kind: "text",
      placeholder: "SITE",
      help: "where the mirror stands: mirrors of one site prefer each other",
    },
    { name: "again", kind: "flag", help: "NAME was used: forget its key and make a new ticket" },
    CONFIG_OPTION,
    STATE_OPTION,
  ],
  run: runInvite,
};

async function runInvite(args: ParsedArguments, context: CommandContext): Promise<number> {
  const name = args.required("NAME");
  const url = args.text("url");
  const site = args.text("site");
  const isName: boolean = isVolunteerName(name);
  const problems = [
    ...(isName ? [] : [`NAME: expected letters, digits, dots, underscores and hyphens, at most 63, got "${name}"`]),
    ...(site === undefined || isSiteName(site) ? [] : ["--site: expected 1 to 64 printable characters"]),
    ...(url === undefined ? ["--url is missing: how does the mirror reach prsync serve? (http://HOST:7380)"] : []),
  ];
  if (problems.length > 0 || url === undefined) throw new UsageError(problems);
  const base = parseBaseUrl(url, "url");
  const stateDirectory = repositoryStateOf(resolve(args.required("TREE")), args, context);
  const repository = await TufRepository.openOrCreate(stateDirectory, realClock);
  using registry = VolunteerRegistry.open(stateDirectory, () => realClock.wallMs());
  const invited = registry.invite(name, { again: args.flag("again"), ...(site === undefined ? {} : { site }) });
  const ticket = {
    url: base,
    repository: repository.repositoryId,
    root: repository.rootFingerprint,
    name,
    token: invited.token,
    ...(invited.site === undefined ? {} : { site: invited.site }),
  };
  context.print(encodeTicket(ticket));
  return EXIT.ok;
}

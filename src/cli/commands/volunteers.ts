import { join, resolve } from "node:path";
import { formatByteSize } from "../../core/byte-size.ts";
import { CONTROL_SOCKET } from "../../central/control-socket.ts";
import { callControl } from "../../net/control-client.ts";
import { realClock } from "../../net/real-clock.ts";
import { VolunteerRegistry } from "../../store/volunteer-registry.ts";
import { UsageError, type ParsedArguments } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CONFIG_OPTION, JSON_OPTION, STATE_OPTION, repositoryStateOf } from "../load-options.ts";

/** `prsync volunteers TREE` */
export const volunteersCommand: Command = {
  name: "volunteers",
  summary: "central: list, revoke and drain mirrors",
  description:
    "Lists the mirrors that were invited, with what they told last. A revoked mirror gets no peers and no pass, and its peers\n" +
    "drop it; a draining one gets no customers. Works with and without a running `prsync serve`.",
  positionals: [{ name: "TREE" }],
  options: [
    { name: "revoke", kind: "text", placeholder: "NAME", help: "shut a mirror out until it is invited again" },
    { name: "drain", kind: "text", placeholder: "NAME", help: "send it no customers any more" },
    { name: "undrain", kind: "text", placeholder: "NAME", help: "send it customers again" },
    CONFIG_OPTION,
    STATE_OPTION,
    JSON_OPTION,
  ],
  run: runVolunteers,
};

interface Shown {
  readonly name: string;
  readonly state: string;
  readonly site?: string;
  readonly lastSeen?: string;
  readonly noCustomers?: string;
  readonly auditFailure?: string;
  readonly misses?: { readonly customers: number; readonly networks: number };
  readonly live?: {
    readonly release: number;
    readonly isSyncing: boolean;
    readonly isAway?: boolean;
    readonly isByName?: boolean;
    readonly host: string;
    readonly port: number;
    readonly volatileQuotaBytes?: number;
  };
}

async function runVolunteers(args: ParsedArguments, context: CommandContext): Promise<number> {
  const stateDirectory = repositoryStateOf(resolve(args.required("TREE")), args, context);
  const orders = (["revoke", "drain", "undrain"] as const).filter((name) => args.text(name) !== undefined);
  if (orders.length > 1) throw new UsageError([`--${orders.join(" and --")} contradict each other: give one`]);
  const [order] = orders;
  if (order !== undefined) {
    const name = args.text(order)!;
    const { state } = await changeState(stateDirectory, order, name);
    context.print(args.flag("json") ? JSON.stringify({ name, state }) : `${name} is ${state}`);
    return EXIT.ok;
  }
  const shown = await listVolunteers(stateDirectory);
  if (args.flag("json")) context.print(JSON.stringify(shown));
  else for (const volunteer of shown) context.print(describe(volunteer));
  return EXIT.ok;
}

async function listVolunteers(stateDirectory: string): Promise<readonly Shown[]> {
  const answer = await ask(stateDirectory, "volunteers", null);
  if (answer !== undefined) return answer as readonly Shown[];
  using registry = VolunteerRegistry.open(stateDirectory, () => realClock.wallMs());
  return registry.list().map(({ name, state, site, lastSeenMs }) => ({
    name,
    state,
    ...(site === undefined ? {} : { site }),
    ...(lastSeenMs === undefined ? {} : { lastSeen: new Date(lastSeenMs).toISOString() }),
  }));
}

async function changeState(
  stateDirectory: string,
  order: "revoke" | "drain" | "undrain",
  name: string,
): Promise<{ readonly state: string }> {
  const command = order === "undrain" ? "drain" : order;
  const answer = await ask(stateDirectory, command, { name, draining: order === "drain" });
  if (answer !== undefined) return answer as { readonly state: string };
  using registry = VolunteerRegistry.open(stateDirectory, () => realClock.wallMs());
  return order === "revoke" ? registry.revoke(name) : registry.drain(name, order === "drain");
}

/** Undefined if no serve runs. */
async function ask(stateDirectory: string, command: string, argument: unknown): Promise<unknown> {
  const answer = await callControl(join(stateDirectory, CONTROL_SOCKET), { command, argument });
  if (answer.kind === "not-running") return undefined;
  if (answer.kind === "result") return answer.result;
  throw new UsageError([answer.message]);
}

function describe({ name, state, site, lastSeen, live, noCustomers, auditFailure, misses }: Shown): string {
  const seen =
    live === undefined
      ? `last seen ${lastSeen ?? "never"}`
      : `release ${live.release}${live.isSyncing ? ", syncing" : live.isAway ? ", away" : ""}${live.isByName === true ? ", by name" : ""}, ${live.host}:${live.port}`;
  const quotaBytes = live?.volatileQuotaBytes;
  const role = quotaBytes === undefined ? "" : `, volatile: ${formatByteSize(quotaBytes)}`;
  const refusal =
    live === undefined || noCustomers === undefined ? "" : `, no customers: ${auditFailure ?? noCustomers}`;
  const sentBack =
    misses === undefined ? "" : `, customers sent back: ${misses.customers} (networks lately: ${misses.networks})`;
  return `${name}\t${state}\t${site ?? "-"}\t${seen}${role}${refusal}${sentBack}`;
}

import { z } from "zod";
import type { ControlHandler } from "../net/control-server.ts";
import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import type { VolunteerStateStore } from "../tracker/volunteer-states.ts";
import { centralStatus, type StatusContext, volunteerStatuses } from "./central-status.ts";
import { CentralError } from "./errors.ts";

export interface ControlContext extends StatusContext {
  readonly registry: VolunteerRegistry;
  readonly live: VolunteerStateStore;
  /** Looks for a new release now; its number, 0 if there is none. */
  readonly refreshNow: () => Promise<number>;
  /** Drops the connections of volunteers that were revoked. */
  readonly applyRevocations: () => void;
}

const nameSchema = z.object({ name: z.string() });
const drainSchema = z.object({ name: z.string(), draining: z.boolean() });

/** Commands that `prsync publish`, `volunteers` and `status` send to a running `serve` over its control socket. */
export function controlCommands(context: ControlContext): ReadonlyMap<string, ControlHandler> {
  return new Map<string, ControlHandler>([
    ["refresh", async () => ({ release: await context.refreshNow() })],
    ["status", async () => centralStatus(context)],
    ["volunteers", async () => volunteerStatuses(context)],
    [
      "revoke",
      async (argument) => {
        const { id, name, state } = context.registry.revoke(check(nameSchema, argument).name);
        if (id !== undefined) context.live.remove(id);
        context.applyRevocations();
        return { name, state };
      },
    ],
    [
      "drain",
      async (argument) => {
        const asked = check(drainSchema, argument);
        const { name, state } = context.registry.drain(asked.name, asked.draining);
        return { name, state };
      },
    ],
  ]);
}

function check<T>(schema: z.ZodType<T>, argument: unknown): T {
  const parsed = schema.safeParse(argument);
  if (parsed.success) return parsed.data;
  throw new CentralError("bad-command", `expected another argument: ${parsed.error.issues[0]!.message}`);
}

import { type TufRole, WARN_BEFORE_MS, expiresMsOf } from "../trust/tuf-roles.ts";
import { formatUtc } from "../trust/utc-time.ts";
import { rolesOf } from "./tuf-keys.ts";
import type { PublishedRole, TufSession } from "./tuf-session.ts";

export interface Renewal {
  /** Roles signed anew. */
  readonly renewed: readonly TufRole[];
  /** One line each, for the log, `status` and a metric. */
  readonly warnings: readonly string[];
}

/** Long-lived roles warn well before their end; the short-lived ones as soon as they are overdue. */
const WARNS_EARLY: readonly TufRole[] = ["root", "targets"];

/** Signs anew what is due and whose keys are here, and tells what is running out. */
export async function renewDueRoles(session: TufSession): Promise<Renewal> {
  const renewed: TufRole[] = [];
  if (session.isDue("root") && session.canSign("root")) {
    await session.writeRoot({ roles: rolesOf(session.root) });
    renewed.push("root");
  }
  const first = firstDueRole(session);
  if (first !== undefined) {
    await session.publish(first);
    renewed.push(...(["targets", "snapshot", "timestamp"] as const).slice(DEPTH[first]));
  }
  return { renewed, warnings: warningsOf(session) };
}

const DEPTH: Readonly<Record<PublishedRole, number>> = { targets: 0, snapshot: 1, timestamp: 2 };

/** The first role that is due and, with all that follow from it, can be signed here. */
function firstDueRole(session: TufSession): PublishedRole | undefined {
  if (!session.canSign("timestamp")) return undefined;
  if (session.canSign("snapshot")) {
    if (session.isDue("targets") && session.canSign("targets")) return "targets";
    if (session.isDue("snapshot")) return "snapshot";
  }
  return session.isDue("timestamp") ? "timestamp" : undefined;
}

function warningsOf(session: TufSession): readonly string[] {
  const warnings: string[] = [];
  for (const role of ["root", "targets", "snapshot", "timestamp"] as const) {
    const metadata = session.metadataOf(role);
    if (metadata === undefined) continue;
    const expiresMs = expiresMsOf(metadata);
    const isNear = WARNS_EARLY.includes(role) ? session.nowMs >= expiresMs - WARN_BEFORE_MS : session.isDue(role);
    if (!isNear) continue;
    const end = session.nowMs >= expiresMs ? "ended" : "ends";
    const days = Math.floor(Math.abs(expiresMs - session.nowMs) / 86_400_000);
    const advice = session.canSign(role) ? "run prsync serve or publish" : "its keys are not on this machine";
    warnings.push(`${role} metadata ${end} at ${formatUtc(expiresMs)} (${days} days): ${advice}`);
  }
  return warnings;
}

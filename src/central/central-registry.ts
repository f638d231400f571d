import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { VOLUNTEERS_FILE, VolunteerRegistry } from "../store/volunteer-registry.ts";
import type { ServeLog } from "./ports.ts";
import { SAVED_REGISTRY_FILE, type SavedRegistry, UNREAD_SUFFIX } from "./saved-registry.ts";
/** Longer than an `invite` writes, short for customers: nobody is answered meanwhile. What could not be written comes again. */
const REGISTRY_BUSY_MS = 250;

interface RegistryPorts {
  readonly clock: Clock;
  readonly log: ServeLog;
}

/** The volunteers of a central, for as long as it runs. @throws StoreError if the file can't be used */
export function openRegistry(stateDirectory: string, { clock, log }: RegistryPorts): VolunteerRegistry {
  const registry = VolunteerRegistry.open(stateDirectory, () => clock.wallMs(), REGISTRY_BUSY_MS);
  if (!registry.isWrittenAhead) {
    const told = `another program reads ${VOLUNTEERS_FILE}: until the next start who looks at it waits for who writes`;
    log.warn({}, told);
  }
  return registry;
}

/** What can't be written in the end is logged: the program ends all the same. */
export function closeRegistry(registry: VolunteerRegistry, { log }: RegistryPorts): void {
  try {
    registry[Symbol.dispose]();
  } catch (error) {
    log.error(
      { error: messageOf(error) },
      "the last sequence numbers of volunteers could not be saved: each is told once that its own is stale",
    );
  }
}

/** What volunteers told before a restart; without it they are asked again. */
export async function loadTold(saved: SavedRegistry, log: ServeLog): Promise<void> {
  const problem = await saved.load();
  if (problem === undefined) return;
  const told = `what volunteers told before can't be read and is kept as ${SAVED_REGISTRY_FILE}${UNREAD_SUFFIX}: daemons are asked again, mirrors that cron keeps come back at their next run`;
  log.warn({ error: problem }, told);
}

import { messageOf } from "../core/errors.ts";
import { canConnect } from "../net/port-check.ts";
import type { VolunteerStateStore } from "../tracker/volunteer-states.ts";
import type { ServeLog } from "./ports.ts";

export interface AnnouncedAddress {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

const TIMEOUT_MS = 5_000;
/** More at once than this wait for the volunteers' next announce. */
const MAX_AT_ONCE = 100;

/** Connects to announced ports, one attempt per volunteer at a time. */
export class PortChecks {
  readonly #live: Pick<VolunteerStateStore, "notePort">;
  readonly #log: ServeLog;
  readonly #running = new Set<string>();

  constructor(live: Pick<VolunteerStateStore, "notePort">, log: ServeLog) {
    this.#live = live;
    this.#log = log;
  }

  /** Returns at once; the result goes to the registry. */
  start(address: AnnouncedAddress): void {
    if (this.#running.has(address.id) || this.#running.size >= MAX_AT_ONCE) return;
    this.#running.add(address.id);
    canConnect({ host: address.host, port: address.port }, TIMEOUT_MS)
      .then((isReachable) => {
        this.#live.notePort(address, isReachable);
        if (!isReachable) this.#log.info({ ...address }, "a volunteer's peer port can't be reached from here");
      })
      .catch((error: unknown) => this.#log.warn({ ...address, error: messageOf(error) }, "a port check failed"))
      .finally(() => this.#running.delete(address.id));
  }
}

import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import type { RegisteredVolunteer } from "../store/volunteer-rows.ts";

/** An enrolled volunteer, draining or not. */
export type AdmittedVolunteer = RegisteredVolunteer & { readonly id: string };

/** Who may take part, out of the registry's file: read whole, and again only after a change, because every announce asks about everybody. */
export class AdmittedVolunteers {
  readonly #registry: VolunteerRegistry;
  #byId: ReadonlyMap<string, AdmittedVolunteer> = new Map();
  #revision = "";

  constructor(registry: VolunteerRegistry) {
    this.#registry = registry;
  }

  /** By volunteer id; the same map until something changes. Asks the file whether it did: some microseconds. */
  get byId(): ReadonlyMap<string, AdmittedVolunteer> {
    const revision = this.#registry.revision;
    if (revision === this.#revision) return this.#byId;
    this.#revision = revision;
    this.#byId = new Map(this.#registry.list().flatMap((row) => (isAdmitted(row) ? [[row.id, row]] : [])));
    return this.#byId;
  }
}

function isAdmitted(row: RegisteredVolunteer): row is AdmittedVolunteer {
  return row.id !== undefined && (row.state === "enrolled" || row.state === "draining");
}

import type { VolunteerRegistry } from "../store/volunteer-registry.ts";

/** Revoked volunteers at hand for every connection; the registry on disk is the truth. */
export class RevokedIds {
  readonly #registry: VolunteerRegistry;
  #ids: ReadonlySet<string> = new Set();

  constructor(registry: VolunteerRegistry) {
    this.#registry = registry;
    this.refresh();
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Reads them anew, also what another process wrote; true if some came to it. */
  refresh(): boolean {
    const before = this.#ids;
    this.#ids = new Set(this.#registry.revokedIds());
    return [...this.#ids].some((id) => !before.has(id));
  }
}

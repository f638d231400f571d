import { join } from "node:path";
import { readFileIfExists, writeFileDurably } from "../store/durable-file.ts";
import { encodeRegistrySnapshot, parseRegistrySnapshot } from "../tracker/registry-snapshot.ts";
import type { VolunteerStateStore } from "../tracker/volunteer-states.ts";

export const SAVED_REGISTRY_FILE = "tracker.json";

/** The volunteers' live state over a restart: written when it changed, read once. */
export class SavedRegistry {
  readonly #path: string;
  readonly #live: Pick<VolunteerStateStore, "all" | "restore">;
  #lastText = "";

  constructor(stateDirectory: string, live: Pick<VolunteerStateStore, "all" | "restore">) {
    this.#path = join(stateDirectory, SAVED_REGISTRY_FILE);
    this.#live = live;
  }

  async load(): Promise<void> {
    const bytes = await readFileIfExists(this.#path);
    if (bytes !== undefined) this.#live.restore(parseRegistrySnapshot(bytes.toString("utf8")));
  }

  /** @throws StoreError if the disk does not take it; what is in memory stays */
  async save(): Promise<void> {
    const text = encodeRegistrySnapshot(this.#live.all());
    if (text === this.#lastText) return;
    await writeFileDurably(this.#path, text, { mode: 0o600 });
    this.#lastText = text;
  }
}

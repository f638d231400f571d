import { rename } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { readFileIfExists, writeFileDurably } from "../store/durable-file.ts";
import { encodeRegistrySnapshot, parseRegistrySnapshot } from "../tracker/registry-snapshot.ts";
import type { VolunteerStateStore } from "../tracker/volunteer-states.ts";

export const SAVED_REGISTRY_FILE = "tracker.json";

/** Of one that could not be read. */
export const UNREAD_SUFFIX = ".damaged";

/** The volunteers' live state over a restart: written when it changed, read once. */
export class SavedRegistry {
  readonly #path: string;
  readonly #live: Pick<VolunteerStateStore, "saved" | "restore">;
  #lastText = "";
  /** What stands there could not be read: it may be of use to somebody, or the disk failed for a moment. */
  #isUnread = false;

  constructor(stateDirectory: string, live: Pick<VolunteerStateStore, "saved" | "restore">) {
    this.#path = join(stateDirectory, SAVED_REGISTRY_FILE);
    this.#live = live;
  }

  /** Why there is something that can't be read; the first {@link save} puts it aside then. */
  async load(): Promise<string | undefined> {
    const problem = await this.#tryLoad();
    this.#isUnread = problem !== undefined;
    return problem;
  }

  async #tryLoad(): Promise<string | undefined> {
    try {
      const bytes = await readFileIfExists(this.#path);
      const volunteers = bytes === undefined ? [] : parseRegistrySnapshot(bytes.toString("utf8"));
      if (volunteers === undefined)
        return `${SAVED_REGISTRY_FILE}: expected what an earlier run saved, got something else`;
      this.#live.restore(volunteers);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** @throws StoreError if the disk does not take it; what is in memory stays */
  async save(): Promise<void> {
    const text = encodeRegistrySnapshot(this.#live.saved());
    if (text === this.#lastText) return;
    if (this.#isUnread) await rename(this.#path, this.#path + UNREAD_SUFFIX);
    this.#isUnread = false;
    await writeFileDurably(this.#path, text, { mode: 0o600 });
    this.#lastText = text;
  }
}

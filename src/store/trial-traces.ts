import { lstatSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { RESERVED_TOP_LEVEL_NAME } from "../core/repo-path.ts";
import { ConfinedDirectory } from "./confined-directory.ts";

/**
 * Remembers what of DEST is there before a dry run opens it; disposed, it takes away what came since. To be disposed while the lock
 * of DEST is held: else it would be another run's.
 */
export class TrialTraces implements Disposable {
  readonly #path: string;
  readonly #isNew: boolean;
  readonly #ownIsNew: boolean;

  /** @param path DEST, there or not */
  constructor(path: string) {
    this.#path = path;
    this.#isNew = !exists(path);
    this.#ownIsNew = !exists(join(path, RESERVED_TOP_LEVEL_NAME));
  }

  /** Index and staging area must be closed. */
  [Symbol.dispose](): void {
    if (!this.#ownIsNew || !exists(this.#path)) return;
    using destination = ConfinedDirectory.open(this.#path);
    const attributes = destination.rootAttributes();
    rmSync(join(destination.rootPath, RESERVED_TOP_LEVEL_NAME), { recursive: true, force: true });
    if (this.#isNew) rmdirSync(this.#path);
    else destination.setRootAttributes(attributes);
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

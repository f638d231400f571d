import { join } from "node:path";
import { readFileIfExists, writeFileDurably } from "../store/durable-file.ts";

const NAME = "last-bundle";

/**
 * The highest number a bundle ever had, in the state directory: a number is never used twice, even if the index with
 * all bundles was lost, because volunteers tell what they hold by number.
 */
export class BundleNumbers {
  readonly #path: string;

  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, NAME);
  }

  async next(): Promise<number> {
    const text = (await readFileIfExists(this.#path))?.toString("latin1").trim() ?? "0";
    return /^\d{1,15}$/.test(text) ? Number(text) + 1 : 1;
  }

  /** Durable once this returns; to be called before a release that uses the numbers is signed. */
  async reserve(numbers: readonly number[]): Promise<void> {
    if (numbers.length === 0) return;
    await writeFileDurably(this.#path, `${Math.max(...numbers)}\n`, { mode: 0o600 });
  }
}

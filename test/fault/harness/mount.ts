import { execFileSync, spawnSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";

const PATIENCE_MS = 30_000;

/** A mount of another file system, or of a part of one. Needs root. */
export class Mount implements AsyncDisposable {
  readonly #point: string;

  /** @param source words of mount(8) before the mount point */
  constructor(source: readonly string[], point: string) {
    execFileSync("mount", [...source, point]);
    this.#point = point;
  }

  /** A program that ended just now may keep it busy for a moment. */
  async [Symbol.asyncDispose](): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (spawnSync("umount", [this.#point], { stdio: "ignore" }).status !== 0) {
      if (performance.now() > deadline) throw new Error(`${this.#point} stays busy`);
      await setTimeout(100);
    }
  }
}

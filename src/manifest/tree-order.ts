import { displayPath, type RepoPath } from "../core/repo-path.ts";
import type { Entry } from "./entry.ts";
import { ManifestError } from "./errors.ts";

const SLASH = 0x2f;

/**
 * Watches the entries of a manifest go by: paths must ascend, and nothing may stand below a file or a symlink. Memory
 * is that of one path's length, for a manifest of any size.
 *
 * In byte order "a", "a-b" and "a.txt" stand before "a/b", so a file "a" stays suspect until a path ≥ "a0" ("0" follows
 * "/"). Every path from "a" to there begins with "a"; hence the suspects are prefixes of each other and of the last
 * path, a stack, and only its top can be the parent of the next path once those that are no prefix are gone.
 */
export class TreeOrderChecker {
  #last: RepoPath | undefined;
  readonly #suspects: RepoPath[] = [];

  /** @throws ManifestError `bad-order`, `path-conflict` */
  accept(entry: Entry): void {
    const { path } = entry;
    if (this.#last !== undefined && path <= this.#last) {
      const got = path === this.#last ? "the same again" : `"${displayPath(path)}"`;
      throw new ManifestError("bad-order", `expected a path after "${displayPath(this.#last)}", got ${got}`);
    }
    this.#last = path;
    for (let top = this.#suspects.at(-1); top !== undefined; top = this.#suspects.at(-1)) {
      const next = path.startsWith(top) ? path.charCodeAt(top.length) : Infinity;
      if (next === SLASH) {
        throw new ManifestError(
          "path-conflict",
          `"${displayPath(path)}" stands below "${displayPath(top)}", which is no directory`,
        );
      }
      if (next < SLASH) break;
      this.#suspects.pop();
    }
    if (entry.kind !== "directory") this.#suspects.push(path);
  }
}

/** The same entries, checked on their way. @throws ManifestError `bad-order`, `path-conflict` */
export function* checkTreeOrder(entries: Iterable<Entry>): Generator<Entry> {
  const checker = new TreeOrderChecker();
  for (const entry of entries) {
    checker.accept(entry);
    yield entry;
  }
}

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { randomBytesOf, sha256Of } from "./sample-tree.ts";

/** Contents of a path over time: each counts from the start of its publish until the next one's end. */
interface Version {
  readonly sha256: string;
  readonly fromMs: number;
  untilMs: number;
}

/** A tree that changes by rename, as feeding programs change it, and what each path held when. */
export class ChangingTree {
  readonly paths: readonly string[];
  readonly #tree: string;
  readonly #versions = new Map<string, Version[]>();
  readonly #changed: string[] = [];

  constructor(tree: string, paths: readonly string[]) {
    this.#tree = tree;
    this.paths = paths;
  }

  /** A new content for a path, to be published next. */
  change(path: string, seed: number, lengthBytes: number): void {
    this.#put(path, randomBytesOf(seed, lengthBytes));
  }

  /** The same with what another path has. */
  copy(from: string, path: string): void {
    this.#put(path, readFileSync(join(this.#tree, from)));
  }

  #put(path: string, bytes: Buffer): void {
    const full = join(this.#tree, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(`${full}.new`, bytes);
    renameSync(`${full}.new`, full);
    const versions = this.#versions.get(path) ?? [];
    versions.push({ sha256: sha256Of(bytes), fromMs: performance.now(), untilMs: Infinity });
    this.#versions.set(path, versions);
    this.#changed.push(path);
  }

  /** The publish of what changed has ended: what was there before is not given to anybody who asks from now on. */
  published(): void {
    const nowMs = performance.now();
    for (const path of this.#changed.splice(0)) {
      const before = this.#versions.get(path)!.at(-2);
      if (before !== undefined) before.untilMs = nowMs;
    }
  }

  /** Whether the path had this content at some moment between the two. */
  held(path: string, sha256: string, [startMs, endMs]: readonly [number, number]): boolean {
    const versions = this.#versions.get(path) ?? [];
    return versions.some(
      (version) => version.sha256 === sha256 && version.fromMs <= endMs && version.untilMs >= startMs,
    );
  }
}

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Marks, encodeMarks, parseMarks } from "../trust/marks.ts";
import { readFileIfExists, removeFileDurably, writeFileDurably } from "./durable-file.ts";
import { ensurePrivateDirectory } from "./state-directory.ts";

/** Last verified files besides the roots; each may be missing or damaged. */
export interface TrustCache {
  readonly timestamp?: Uint8Array | undefined;
  readonly snapshot?: Uint8Array | undefined;
  readonly targets?: Uint8Array | undefined;
  /** `release.json` itself. */
  readonly release?: Uint8Array | undefined;
}

const CACHE_NAMES = ["timestamp", "snapshot", "targets", "release"] as const;
const ROOT_FILE = /^([1-9]\d{0,15})\.root\.json$/;
const FILE_MODE = 0o600;
const SCRATCH_PREFIX = "scratch-";

/**
 * What a mirror trusts, under STATE/trust: roots/N.root.json (never changed once written), the newest other metadata, the
 * release, marks.json. Every file is written durably. One writer at a time: the caller holds the lock of DEST.
 */
export class TrustStore {
  readonly #directory: string;
  readonly #rootsDirectory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#rootsDirectory = join(directory, "roots");
  }

  /** Makes the directories, removes what a killed run left. @throws StoreError `state-unsafe` */
  static async open(stateDirectory: string): Promise<TrustStore> {
    const store = new TrustStore(join(stateDirectory, "trust"));
    ensurePrivateDirectory(store.#directory);
    ensurePrivateDirectory(store.#rootsDirectory);
    for (const directory of [store.#directory, store.#rootsDirectory]) {
      for (const name of await readdir(directory)) {
        if (!name.startsWith(SCRATCH_PREFIX) && !name.endsWith(".tmp")) continue;
        await rm(join(directory, name), { recursive: true, force: true });
      }
    }
    return store;
  }

  /** 1.root.json, 2.root.json, … as far as they follow each other without a gap; not checked. */
  async readRoots(): Promise<readonly Uint8Array[]> {
    const roots: Uint8Array[] = [];
    for (;;) {
      const bytes = await readFileIfExists(this.#rootPath(roots.length + 1));
      if (bytes === undefined) return roots;
      roots.push(bytes);
    }
  }

  async writeRoot(version: number, bytes: Uint8Array): Promise<void> {
    await writeFileDurably(this.#rootPath(version), bytes, { mode: FILE_MODE });
  }

  /** Removes the roots above `version`: damaged ones, to be fetched again. */
  async dropRootsAbove(version: number): Promise<void> {
    for (const name of await readdir(this.#rootsDirectory)) {
      const found = Number(ROOT_FILE.exec(name)?.[1] ?? 0);
      if (found > version) await removeFileDurably(join(this.#rootsDirectory, name));
    }
  }

  async readCache(): Promise<TrustCache> {
    const [timestamp, snapshot, targets, release] = await Promise.all(
      CACHE_NAMES.map((name) => readFileIfExists(this.#cachePath(name))),
    );
    return { timestamp, snapshot, targets, release };
  }

  /** Writes what differs from `known`. */
  async writeCache(cache: Required<TrustCache>, known: TrustCache): Promise<void> {
    for (const name of CACHE_NAMES) {
      const bytes = cache[name]!;
      if (known[name] !== undefined && Buffer.compare(bytes, known[name]) === 0) continue;
      await writeFileDurably(this.#cachePath(name), bytes, { mode: FILE_MODE });
    }
  }

  /** Undefined before the first accepted release. @throws TrustError `damaged-state` */
  async readMarks(): Promise<Marks | undefined> {
    const bytes = await readFileIfExists(this.#marksPath);
    return bytes && parseMarks(bytes);
  }

  /** Does nothing if the file already says so. */
  async writeMarks(marks: Marks): Promise<void> {
    const bytes = encodeMarks(marks);
    const known = await readFileIfExists(this.#marksPath);
    if (known !== undefined && Buffer.compare(known, bytes) === 0) return;
    await writeFileDurably(this.#marksPath, bytes, { mode: FILE_MODE });
  }

  /**
   * A directory as tuf-js' Updater wants it, removed on disposal. The Updater writes what it took before our own checks
   * ran, and not durably: so it works on a copy.
   */
  async createScratch(root: Uint8Array, cache: TrustCache): Promise<ScratchDirectory> {
    const path = await mkdtemp(join(this.#directory, SCRATCH_PREFIX));
    await writeFile(join(path, "root.json"), root);
    for (const name of ["timestamp", "snapshot", "targets"] as const) {
      if (cache[name] !== undefined) await writeFile(join(path, `${name}.json`), cache[name]);
    }
    return {
      path,
      read: (role) => readFileIfExists(join(path, `${role}.json`)),
      [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
    };
  }

  get #marksPath(): string {
    return join(this.#directory, "marks.json");
  }

  #cachePath(name: string): string {
    return join(this.#directory, `${name}.json`);
  }

  #rootPath(version: number): string {
    return join(this.#rootsDirectory, `${version}.root.json`);
  }
}

export interface ScratchDirectory extends AsyncDisposable {
  readonly path: string;
  read(role: "root" | "timestamp" | "snapshot" | "targets"): Promise<Uint8Array | undefined>;
}

import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import { lowerBound } from "../core/lower-bound.ts";
import { displayPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";
import { ManifestError } from "../manifest/errors.ts";
import type { ChunkRef } from "../manifest/manifest-index.ts";
import type { EntryPair } from "../store/entry-pairs.ts";

/** Chunks kept parsed: look-ups come in path order, with parents and neighbours near by. */
const MAX_PARSED_CHUNKS = 16;

/** Look-ups in a manifest by path. */
export interface ManifestLookup {
  find(path: RepoPath): Entry | undefined;
  /** Any entry below it as if it were a directory. */
  someBelow(path: RepoPath): Entry | undefined;
}

/** Look-ups in a manifest that exists as chunks only. */
export class ManifestView implements ManifestLookup {
  readonly #refs: readonly ChunkRef[];
  readonly #load: (sha256: string) => readonly Entry[];
  readonly #parsed = new Map<string, readonly Entry[]>();

  /** @param load entries of a chunk, verified */
  constructor(refs: readonly ChunkRef[], load: (sha256: string) => readonly Entry[]) {
    this.#refs = refs;
    this.#load = load;
  }

  find(path: RepoPath): Entry | undefined {
    const found = this.#firstFrom(path);
    return found?.path === path ? found : undefined;
  }

  someBelow(path: RepoPath): Entry | undefined {
    const next = this.#firstFrom(`${path}/`);
    return next?.path.startsWith(`${path}/`) === true ? next : undefined;
  }

  /** The first entry at or after a path (any byte string, in path order). */
  #firstFrom(path: string): Entry | undefined {
    const after = lowerBound(this.#refs, (ref) => ref.firstPath > path);
    const entries = after === 0 ? [] : this.#entries(this.#refs[after - 1]!);
    const inside = entries[lowerBound(entries, (entry) => entry.path >= path)];
    if (inside !== undefined) return inside;
    const next = this.#refs[after];
    return next === undefined ? undefined : this.#entries(next)[0];
  }

  #entries({ sha256 }: ChunkRef): readonly Entry[] {
    const known = this.#parsed.get(sha256);
    if (known !== undefined) return known;
    const entries = this.#load(sha256);
    this.#parsed.set(sha256, entries);
    for (const oldest of this.#parsed.keys()) {
      if (this.#parsed.size <= MAX_PARSED_CHUNKS) break;
      this.#parsed.delete(oldest);
    }
    return entries;
  }
}

/**
 * What change lists could do to the tree outside of the chunks they touch: a path below a file, a file above a path, a hard
 * link to something else.
 * @param pairs what they make of each path
 * @throws ManifestError `path-conflict`, `bad-entry`
 */
export function checkChangedPaths(pairs: Iterable<EntryPair>, held: HeldLinks, after: ManifestLookup): void {
  const links: FileEntry[] = [];
  for (const pair of pairs) {
    if (pair.after !== undefined) checkPlace(pair.after, after);
    if (pair.after?.kind === "file" && pair.after.link !== undefined) links.push(pair.after);
    links.push(...leftBehind(pair, held, after));
  }
  checkLinks(links, after);
}

/** Look-ups of a held manifest by content. */
export interface HeldLinks {
  entriesWith(content: ContentId): readonly Entry[];
}

function checkPlace(entry: Entry, after: ManifestLookup): void {
  for (let parent = parentOf(entry.path); parent !== undefined; parent = parentOf(parent)) {
    const above = after.find(parent);
    if (above !== undefined && above.kind !== "directory") throw conflict(entry.path, parent);
  }
  if (entry.kind === "directory") return;
  const below = after.someBelow(entry.path);
  if (below !== undefined) throw conflict(below.path, entry.path);
}

/** Further names of a file that itself changed or went. */
function leftBehind({ path, before }: EntryPair, held: HeldLinks, after: ManifestLookup): FileEntry[] {
  if (before?.kind !== "file" || before.content === EMPTY_CONTENT) return [];
  return held.entriesWith(before.content).flatMap((twin) => {
    if (twin.kind !== "file" || twin.link !== path) return [];
    const now = after.find(twin.path);
    return now?.kind === "file" && now.link === path ? [now] : [];
  });
}

/**
 * A hard link names an earlier file of the same content that is no link itself. That it is earlier, the parser saw.
 * @throws ManifestError `bad-entry`
 */
export function checkLinks(links: readonly FileEntry[], manifest: ManifestLookup): void {
  // In the order of what they name, so that each chunk is parsed once.
  const ordered = links.toSorted((a, b) => (a.link! < b.link! ? -1 : a.link! > b.link! ? 1 : 0));
  for (const { path, link, content } of ordered) {
    const first = manifest.find(link!);
    if (first?.kind === "file" && first.link === undefined && first.content === content) continue;
    const problem = `expected its hard link "${displayPath(link!)}" to be a file of the same content`;
    throw new ManifestError("bad-entry", `entry "${displayPath(path)}": ${problem}`);
  }
}

function conflict(path: RepoPath, above: RepoPath): ManifestError {
  return new ManifestError(
    "path-conflict",
    `"${displayPath(path)}" stands below "${displayPath(above)}", which is no directory`,
  );
}

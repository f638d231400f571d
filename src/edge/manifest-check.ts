import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import { lowerBound } from "../core/lower-bound.ts";
import { displayPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import type { Entry, EntryPair, FileEntry } from "../manifest/entry.ts";
import { ManifestError } from "../manifest/errors.ts";
import type { ChunkRef } from "../manifest/manifest-index.ts";

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
  const linksTo = new HeldLinkTargets(held);
  const directories = new Set<RepoPath>();
  for (const { path, before, after: entry } of pairs) {
    if (entry !== undefined) checkPlace(entry, after, directories);
    if (entry?.kind === "file" && entry.link !== undefined) links.push(entry);
    if (before?.kind !== "file") continue;
    // Further names of a file that itself changed or went.
    for (const name of linksTo.of(before)) {
      const now = after.find(name);
      if (now?.kind === "file" && now.link === path) links.push(now);
    }
  }
  checkLinks(links, after);
}

/** The hard links of the held manifest by what they name, read once per content: thousands of files may have the same. */
class HeldLinkTargets {
  readonly #held: HeldLinks;
  readonly #byContent = new Map<ContentId, ReadonlyMap<RepoPath, readonly RepoPath[]>>();

  constructor(held: HeldLinks) {
    this.#held = held;
  }

  /** Paths that name this one. */
  of({ path, content }: FileEntry): readonly RepoPath[] {
    if (content === EMPTY_CONTENT) return [];
    let targets = this.#byContent.get(content);
    if (targets === undefined) {
      targets = this.#targetsOf(content);
      this.#byContent.set(content, targets);
    }
    return targets.get(path) ?? [];
  }

  #targetsOf(content: ContentId): ReadonlyMap<RepoPath, readonly RepoPath[]> {
    const targets = new Map<RepoPath, RepoPath[]>();
    for (const twin of this.#held.entriesWith(content)) {
      if (twin.kind !== "file" || twin.link === undefined) continue;
      const names = targets.get(twin.link);
      if (names === undefined) targets.set(twin.link, [twin.path]);
      else names.push(twin.path);
    }
    return targets;
  }
}

/** Look-ups of a held manifest by content. */
export interface HeldLinks {
  entriesWith(content: ContentId): readonly Entry[];
}

/** @param directories whose own place was looked at */
function checkPlace(entry: Entry, after: ManifestLookup, directories: Set<RepoPath>): void {
  for (let parent = parentOf(entry.path); parent !== undefined; parent = parentOf(parent)) {
    if (directories.has(parent)) break;
    const above = after.find(parent);
    if (above !== undefined && above.kind !== "directory") throw conflict(entry.path, parent);
    directories.add(parent);
  }
  if (entry.kind === "directory") return;
  const below = after.someBelow(entry.path);
  if (below !== undefined) throw conflict(below.path, entry.path);
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

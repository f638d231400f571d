import { setImmediate } from "node:timers/promises";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { isSigned } from "../delta/block-length.ts";
import { isSketched, type Sketch } from "../delta/sketch.ts";
import { chooseBases, MAX_BASES, type BasisCandidate, type BasisKinship } from "../plan/choose-basis.ts";
import type { ContentToObtain } from "../plan/plan-sync.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { holdersOf } from "./inventory.ts";
import type { NamesBeside } from "./names-beside.ts";
import type { SketchSource } from "./sketch-source.ts";
import type { SyncLog } from "./sync-log.ts";

export interface BasisContext {
  readonly index: MirrorIndex;
  readonly destination: ConfinedDirectory;
  readonly names: NamesBeside;
  readonly sketches: Pick<SketchSource, "sketchesOf">;
  readonly log: SyncLog;
  readonly signal: AbortSignal;
}

/** Names looked at in the same directory, and contents that the sketch leads to. */
const MOST_NAMES = 2;
const MOST_ALIKE = 8;
/** So many are chosen for before other work of this process gets its turn: some milliseconds each where many are alike. */
const CONTENTS_PER_TURN = 16;

/**
 * Finds basis files for the contents that no file of DEST has whole: what the policy of plan/choose-basis.ts asks is looked up
 * here. A content without a basis becomes "fetch", and its signature is not read.
 */
export async function chooseBasisFiles(
  contents: readonly ContentToObtain[],
  context: BasisContext,
): Promise<readonly ContentToObtain[]> {
  const isOpen = ({ source, lengthBytes }: ContentToObtain): boolean => !("from" in source) && isSigned(lengthBytes);
  if (!contents.some(isOpen) || context.index.files.isEmpty()) return contents;
  await recordSketches(contents.filter(isOpen), context);
  const finder = new CandidateFinder(context);
  const chosen: ContentToObtain[] = [];
  for (const wanted of contents) {
    if (chosen.length % CONTENTS_PER_TURN === 0) await setImmediate(undefined, { signal: context.signal });
    chosen.push(isOpen(wanted) ? withBasis(wanted, finder, context) : wanted);
  }
  return chosen;
}

function withBasis(wanted: ContentToObtain, finder: CandidateFinder, { index, log }: BasisContext): ContentToObtain {
  const { content, lengthBytes } = wanted;
  const sketch = isSketched(lengthBytes) ? index.sketches.get(content) : undefined;
  const { bases, rejected } = chooseBases({ lengthBytes, sketch }, finder.find(wanted, sketch));
  for (const { path, reason } of rejected) log.debug({ path: displayPath(path), content, reason }, "no basis");
  return { ...wanted, source: bases.length > 0 ? { how: "delta", basis: bases } : { how: "fetch" } };
}

/** Gets the sketches that the index lacks, as far as they can be had; they stay there for when the contents are held. */
async function recordSketches(
  contents: readonly ContentToObtain[],
  { index, sketches, signal }: BasisContext,
): Promise<void> {
  const unknown = contents
    .filter(({ content, lengthBytes }) => isSketched(lengthBytes) && index.sketches.get(content) === undefined)
    .map(({ content }) => content);
  if (unknown.length === 0) return;
  const fetched = await sketches.sketchesOf(unknown, signal);
  index.transaction(() => fetched.forEach((sketch, content) => index.sketches.put(content, sketch)));
}

/** Looks up files of DEST that may hold parts of a content, from the index alone: none of them is opened. */
class CandidateFinder {
  readonly #context: BasisContext;

  constructor(context: BasisContext) {
    this.#context = context;
  }

  find({ source, paths }: ContentToObtain, sketch: Sketch | undefined): BasisCandidate[] {
    const samePaths = source.how === "delta" ? source.basis : [];
    // Many paths with one content lie together: the first of them speak for all.
    const byName = paths.slice(0, MAX_BASES).flatMap((path) => this.#context.names.mostAlike(path, MOST_NAMES));
    const found = [
      ...samePaths.map((path) => this.#candidate(path, "same-path")),
      ...byName.map((path) => this.#candidate(path, "similar-name")),
      ...this.#alike(sketch),
    ];
    return found.filter((candidate) => candidate !== undefined);
  }

  #candidate(path: RepoPath, kinship: BasisKinship): BasisCandidate | undefined {
    const { index, destination } = this.#context;
    const record = index.files.get(path);
    if (record !== undefined) {
      return { path, kinship, lengthBytes: record.stat.size, sketch: index.sketches.get(record.content) };
    }
    const size = kinship === "same-path" ? destination.lstat(path)?.size : undefined;
    return size === undefined ? undefined : { path, kinship, lengthBytes: Number(size), sketch: undefined };
  }

  #alike(wanted: Sketch | undefined): BasisCandidate[] {
    if (wanted === undefined) return [];
    const { index } = this.#context;
    return index.sketches.alike(wanted, MOST_ALIKE).flatMap(({ content, sketch }) => {
      const [path] = holdersOf(this.#context, content);
      const size = path === undefined ? undefined : index.files.get(path)?.stat.size;
      if (path === undefined || size === undefined) return [];
      return [{ path, kinship: "similar-content" as const, lengthBytes: size, sketch }];
    });
  }
}

import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from "../manifest/entry.ts";

/** What stood at a path when it was decided about. */
export type ReplacedKind = "absent" | "file" | "directory" | "symlink" | "other";

/** One change of DEST; the decisions of a sync plan, but for "keep", are such steps. */
export type ActivationStep =
  /** Put a staged content at a path. */
  | { readonly action: "place"; readonly entry: FileEntry; readonly replaces: ReplacedKind }
  /** Make the path a further name of the file at `to`. */
  | { readonly action: "link"; readonly entry: FileEntry; readonly to: RepoPath; readonly replaces: ReplacedKind }
  /** Make a directory or symlink (a file entry here is a bug of the caller). */
  | { readonly action: "make"; readonly entry: Entry; readonly replaces: ReplacedKind }
  /** Set mode and mtime alone. */
  | { readonly action: "attributes"; readonly entry: Entry }
  | { readonly action: "remove"; readonly path: RepoPath; readonly kind: ReplacedKind };

/** A step at its place in the order, with what its neighbours decide. */
export type OrderedStep =
  | { readonly action: "place"; readonly entry: FileEntry; readonly keepPart: boolean }
  | { readonly action: "link"; readonly entry: FileEntry; readonly to: RepoPath }
  | { readonly action: "directory"; readonly entry: DirectoryEntry }
  | { readonly action: "symlink"; readonly entry: SymlinkEntry }
  | { readonly action: "attributes"; readonly entry: FileEntry | SymlinkEntry }
  | { readonly action: "remove"; readonly path: RepoPath; readonly kind: ReplacedKind };

/** Order of the phases; metadata-class paths (repository indexes) come after all they may name. */
const PHASES = ["directory", "place", "symlink", "link", "attributes", "metadata", "remove", "rmdir"] as const;
type Phase = (typeof PHASES)[number];

/**
 * Puts steps into the order in which DEST never names what is not there: directories from the top down, files,
 * symlinks, hard links, attributes; then the same for metadata-class paths; then removals, directories last and from
 * the bottom up. Removals below a directory that something else replaces come right before that step.
 */
export function orderSteps(
  steps: Iterable<ActivationStep>,
  options: { readonly isMetadata: (path: RepoPath) => boolean },
): OrderedStep[] {
  const phases = new Map<Phase, ActivationStep[]>(PHASES.map((phase) => [phase, []]));
  for (const step of steps) phases.get(phaseOf(step, options.isMetadata))!.push(step);
  const removals = [...phases.get("remove")!, ...phases.get("rmdir")!].sort(byPath);
  phases.get("directory")!.sort(byPath);
  phases.get("metadata")!.sort((a, b) => metadataRank(a) - metadataRank(b) || byPath(a, b));
  phases.get("rmdir")!.sort(byPath).reverse();
  return sequence(
    PHASES.flatMap((phase) => phases.get(phase)!),
    removals,
  );
}

/**
 * Where the steps begin that only follow once all before them are done: metadata-class paths, which must not name what is not
 * there, and removals at the end (rsync leaves deletions out, too, after an error).
 */
export function lateStepsFrom(
  steps: readonly OrderedStep[],
  options: { readonly isMetadata: (path: RepoPath) => boolean },
): number {
  const isEarly = (step: OrderedStep): boolean =>
    step.action === "directory" ||
    (step.action !== "remove" && !options.isMetadata(step.entry.path) && !isLinkToLate(step, options.isMetadata));
  return steps.findLastIndex(isEarly) + 1;
}

/** @param removals in path order */
function sequence(steps: readonly ActivationStep[], removals: readonly ActivationStep[]): OrderedStep[] {
  const uses = countUses(steps);
  const early = new Set<ActivationStep>();
  const ordered: OrderedStep[] = [];
  for (const step of steps) {
    if ("replaces" in step && step.replaces === "directory" && !isDirectory(step)) {
      for (const removal of below(removals, step.entry.path).reverse()) {
        if (early.has(removal)) continue;
        early.add(removal);
        ordered.push(orderedStep(removal, uses));
      }
    }
    if (!early.has(step)) ordered.push(orderedStep(step, uses));
  }
  return ordered;
}

/** The removals of what lies below a directory; `sorted` by path. */
function below(sorted: readonly ActivationStep[], directory: RepoPath): ActivationStep[] {
  // "0" follows "/".
  return sorted.slice(firstFrom(sorted, `${directory}/`), firstFrom(sorted, `${directory}0`));
}

/** Index of the first step whose path is not before `path`. */
function firstFrom(sorted: readonly ActivationStep[], path: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pathOf(sorted[middle]!) < path) low = middle + 1;
    else high = middle;
  }
  return low;
}

function countUses(steps: readonly ActivationStep[]): Map<ContentId, number> {
  const uses = new Map<ContentId, number>();
  for (const step of steps) {
    if (step.action === "place") uses.set(step.entry.content, (uses.get(step.entry.content) ?? 0) + 1);
  }
  return uses;
}

/** @param uses how often a content is still to be placed; counted down */
function orderedStep(step: ActivationStep, uses: Map<ContentId, number>): OrderedStep {
  if (step.action === "remove") return step;
  if (step.action === "link") return { action: "link", entry: step.entry, to: step.to };
  if (step.action === "place") {
    const left = uses.get(step.entry.content)! - 1;
    uses.set(step.entry.content, left);
    return { action: "place", entry: step.entry, keepPart: left > 0 };
  }
  if (step.entry.kind === "directory") return { action: "directory", entry: step.entry };
  if (step.action === "attributes") return { action: "attributes", entry: step.entry };
  if (step.entry.kind === "symlink") return { action: "symlink", entry: step.entry };
  throw new TypeError(`a file can't be made without content: ${step.entry.path}`);
}

function phaseOf(step: ActivationStep, isMetadata: (path: RepoPath) => boolean): Phase {
  if (step.action === "remove") return step.kind === "directory" ? "rmdir" : "remove";
  if (isDirectory(step)) return "directory";
  if (isMetadata(step.entry.path) || isLinkToLate(step, isMetadata)) return "metadata";
  return step.action === "make" ? "symlink" : step.action;
}

/** A further name of a metadata-class path (by-hash of Debian's) can't be there before that is. */
function isLinkToLate(step: ActivationStep | OrderedStep, isMetadata: (path: RepoPath) => boolean): boolean {
  return step.action === "link" && isMetadata(step.to);
}

function metadataRank(step: ActivationStep): number {
  return ["place", "make", "link", "attributes"].indexOf(step.action);
}

function isDirectory(step: ActivationStep): boolean {
  return step.action !== "remove" && step.entry.kind === "directory";
}

function pathOf(step: ActivationStep): RepoPath {
  return step.action === "remove" ? step.path : step.entry.path;
}

function byPath(a: ActivationStep, b: ActivationStep): number {
  const [pathA, pathB] = [pathOf(a), pathOf(b)];
  return pathA < pathB ? -1 : pathA > pathB ? 1 : 0;
}

import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { isSameMtime } from "../core/time.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";
import { MAX_BASES } from "./choose-basis.ts";

/** What stands at a path of DEST now. `content` only if it was recorded and the file's stat still matches the record. */
export type LocalState =
  | { readonly kind: "absent" | "other" }
  | ({ readonly kind: "directory"; readonly mode: number; readonly mtimeNs: bigint } & LocalOwners)
  | ({ readonly kind: "symlink"; readonly target: string; readonly mtimeNs: bigint } & LocalOwners)
  | (LocalOwners & {
      readonly kind: "file";
      readonly size: number;
      readonly mode: number;
      readonly mtimeNs: bigint;
      /** "dev:ino", to tell hard links. */
      readonly inode: string;
      readonly content?: ContentId;
    });

/** Left out where nobody asks for them. */
interface LocalOwners {
  readonly uid?: number;
  readonly gid?: number;
}

/** A path to decide about: it changed between the releases, or on disk, or was left by an interrupted run. */
export interface ConsideredPath {
  readonly path: RepoPath;
  /** Its entry in the new release; undefined if the release lacks it. */
  readonly entry: Entry | undefined;
  readonly local: LocalState;
  /** True if an earlier release put this path there. */
  readonly isOurs: boolean;
}

/** Answers about the rest of the mirror that a decision may need. */
export interface LocalHoldings {
  /**
   * Paths of DEST that hold this content now and stay readable until activation, looked at one by one. "any": size and mtime may
   * be all that is known of them, their bytes must be hashed before use.
   */
  holdersOf(content: ContentId, trust: "any" | "verified"): Iterable<RepoPath>;
  /**
   * Content that the file at a path has once this sync is done; undefined if it is no file, is itself a hard link, or is
   * left alone and not known to be what the release says. Only such a file may get further names.
   */
  contentAfter(path: RepoPath): ContentId | undefined;
  /** A file that nothing is recorded about and that may have the entry's content: to be read and hashed before it is copied. */
  strayLike(entry: FileEntry): RepoPath | undefined;
  /** "dev:ino" of the file at a path now, if it is one. */
  inodeOf(path: RepoPath): string | undefined;
  /** What is recorded of the file at a path, if its stat still matches. */
  contentAt(path: RepoPath): ContentId | undefined;
}

export interface PlanOptions {
  /** Compare contents, never size and mtime (rsync --checksum). */
  readonly checksum: boolean;
  /** Compare size alone (rsync --size-only). */
  readonly sizeOnly: boolean;
  /** Use the old file at the same path as basis of a delta. */
  readonly useDelta: boolean;
  /** Give equal files one inode instead of a copy each; mode and time of the last one win. */
  readonly sharesInodes: boolean;
  /** Removals: what earlier releases brought, everything the release lacks (rsync --delete), or nothing. */
  readonly removal: "ours" | "all" | "none";
}

/**
 * Where a content comes from. "move": the file at `from` is removed or replaced in the same run, so that its inode becomes the
 * new file and no byte is read. "delta": `basis` are files of other content at the paths that want it.
 */
export type ContentSource =
  | { readonly how: "copy" | "move"; readonly from: RepoPath }
  | { readonly how: "delta"; readonly basis: readonly RepoPath[] }
  | { readonly how: "fetch" };

/** How a content that DEST needs at one or more paths is obtained; it is staged once. */
export interface ContentToObtain {
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly source: ContentSource;
  /** Paths that get it, in byte order. */
  readonly paths: readonly RepoPath[];
  /** What the first of them gets with it; left out if that is not known. */
  readonly attributes?: Pick<FileEntry, "mode" | "mtimeNs">;
}

export type PathDecision =
  | { readonly action: "keep"; readonly entry: Entry; readonly isAdopted: boolean }
  | { readonly action: "attributes"; readonly entry: Entry; readonly isAdopted: boolean }
  | { readonly action: "place"; readonly entry: FileEntry; readonly replaces: LocalState["kind"] }
  | { readonly action: "link"; readonly entry: FileEntry; readonly to: RepoPath; readonly replaces: LocalState["kind"] }
  | { readonly action: "make"; readonly entry: Entry; readonly replaces: LocalState["kind"] }
  | { readonly action: "remove"; readonly path: RepoPath; readonly kind: LocalState["kind"] };

export interface SyncPlan {
  /** One per considered path that has anything to do or to record, in the order considered. */
  readonly decisions: readonly PathDecision[];
  readonly contents: readonly ContentToObtain[];
}

/**
 * Decides what to do about each considered path: pure, so that a dry run, the real run and the simulator agree.
 * Same path and content: keep. Content held under another path, or perhaps there: move or copy. Same path, other content: delta.
 * Else fetch.
 */
export function planSync(
  considered: Iterable<ConsideredPath>,
  holdings: LocalHoldings,
  options: PlanOptions,
): SyncPlan {
  const items: ConsideredPath[] = [];
  const decided = new Map<RepoPath, PathDecision>();
  for (const item of considered) {
    const decision = decide(item, holdings, options);
    if (decision === undefined) continue;
    decided.set(item.path, decision);
    items.push(item);
  }
  const actionAt = (path: RepoPath): PathDecision["action"] => decided.get(path)?.action ?? "keep";
  const needed = new ContentCollector(holdings, options, actionAt);
  const sharing = new InodeSharing(holdings, actionAt);
  const decisions: PathDecision[] = [];
  for (const item of items) {
    const decision = decided.get(item.path)!;
    const final = options.sharesInodes && decision.action === "place" ? sharing.linkInstead(decision) : decision;
    decisions.push(final);
    if (final.action === "place") needed.add(final.entry, item);
  }
  return { decisions, contents: needed.contents() };
}

type Placing = Extract<PathDecision, { readonly action: "place" }>;

/** Turns copies into further names of one inode: of the first path placed, or of a file that stays as it is. */
class InodeSharing {
  readonly #holdings: LocalHoldings;
  readonly #actionOf: (path: RepoPath) => PathDecision["action"];
  readonly #firstPlaced = new Map<ContentId, RepoPath>();

  constructor(holdings: LocalHoldings, actionOf: (path: RepoPath) => PathDecision["action"]) {
    this.#holdings = holdings;
    this.#actionOf = actionOf;
  }

  linkInstead(decision: Placing): PathDecision {
    const { entry, replaces } = decision;
    if (entry.content === EMPTY_CONTENT) return decision;
    const held = this.#firstPlaced.get(entry.content) ?? this.#keptHolder(entry.content);
    if (held !== undefined) return { action: "link", entry, to: held, replaces };
    this.#firstPlaced.set(entry.content, entry.path);
    return decision;
  }

  /** A holder that is replaced or removed in the same run may be gone or other when the link is made. */
  #keptHolder(content: ContentId): RepoPath | undefined {
    for (const holder of this.#holdings.holdersOf(content, "verified")) {
      if (this.#actionOf(holder) === "keep") return holder;
    }
    return undefined;
  }
}

function decide(item: ConsideredPath, holdings: LocalHoldings, options: PlanOptions): PathDecision | undefined {
  const { entry, local, path } = item;
  if (entry === undefined) return decideRemoval(item, options);
  switch (entry.kind) {
    case "directory":
      if (local.kind !== "directory") return { action: "make", entry, replaces: local.kind };
      return { action: hasSameAttributes(entry, local) ? "keep" : "attributes", entry, isAdopted: false };
    case "symlink":
      if (local.kind !== "symlink" || local.target !== entry.target)
        return { action: "make", entry, replaces: local.kind };
      return { action: hasSameTimeAndOwners(entry, local) ? "keep" : "attributes", entry, isAdopted: false };
    case "file":
      return decideFile(entry, local, { holdings, options, path });
  }
}

function decideFile(
  entry: FileEntry,
  local: LocalState,
  context: { readonly holdings: LocalHoldings; readonly options: PlanOptions; readonly path: RepoPath },
): PathDecision {
  if (entry.link !== undefined && context.holdings.contentAfter(entry.link) === entry.content) {
    if (!isLinkKept(entry, entry.link, { local, ...context })) {
      return { action: "link", entry, to: entry.link, replaces: local.kind };
    }
  }
  if (local.kind !== "file") return { action: "place", entry, replaces: local.kind };
  const isAdopted = local.content === undefined && looksUnchanged(entry, local, context.options);
  if (local.content !== entry.content && !isAdopted) return { action: "place", entry, replaces: "file" };
  return { action: hasSameAttributes(entry, local) ? "keep" : "attributes", entry, isAdopted };
}

/** The path is a name of the file at `first` already, which stays as it is. */
function isLinkKept(
  entry: FileEntry,
  first: RepoPath,
  context: { readonly local: LocalState; readonly holdings: LocalHoldings; readonly options: PlanOptions },
): boolean {
  const { local, holdings, options } = context;
  if (local.kind !== "file" || holdings.inodeOf(first) !== local.inode) return false;
  if (local.content !== undefined) return local.content === entry.content;
  // Nothing is recorded about this name; what is about the first decides about both.
  return (holdings.contentAt(first) ?? entry.content) === entry.content && looksUnchanged(entry, local, options);
}

/** rsync's quick check, for files nothing is recorded about: they count as kept but are not vouched for until hashed. */
function looksUnchanged(
  entry: FileEntry,
  local: { readonly size: number; readonly mtimeNs: bigint },
  options: PlanOptions,
): boolean {
  if (options.checksum || local.size !== entry.size) return false;
  return options.sizeOnly || isSameMtime(entry.mtimeNs, local.mtimeNs);
}

type TimeAndOwners = LocalOwners & { readonly mtimeNs: bigint };

function hasSameAttributes(
  entry: TimeAndOwners & { readonly mode: number },
  local: TimeAndOwners & { readonly mode: number },
): boolean {
  return entry.mode === local.mode && hasSameTimeAndOwners(entry, local);
}

/** Owners that the entry does not name are not this mirror's to set. */
function hasSameTimeAndOwners(entry: TimeAndOwners, local: TimeAndOwners): boolean {
  const hasSameOwners =
    (entry.uid === undefined || entry.uid === local.uid) && (entry.gid === undefined || entry.gid === local.gid);
  return hasSameOwners && isSameMtime(entry.mtimeNs, local.mtimeNs);
}

function decideRemoval(item: ConsideredPath, options: PlanOptions): PathDecision | undefined {
  if (item.local.kind === "absent" || options.removal === "none") return undefined;
  if (options.removal === "ours" && !item.isOurs) return undefined;
  return { action: "remove", path: item.path, kind: item.local.kind };
}

/**
 * The same plan without the removals of `kept` paths, or without any. What was to be moved away from one of them stays there and is copied.
 */
export function withoutRemovals(plan: SyncPlan, kept?: ReadonlySet<RepoPath>): SyncPlan {
  const staying = new Set<RepoPath>();
  const decisions = plan.decisions.filter((step) => {
    if (step.action !== "remove" || kept?.has(step.path) === false) return true;
    staying.add(step.path);
    return false;
  });
  const contents = plan.contents.map((wanted): ContentToObtain => {
    const { source } = wanted;
    const isStaying = source.how === "move" && staying.has(source.from);
    return isStaying ? { ...wanted, source: { how: "copy", from: source.from } } : wanted;
  });
  return { decisions, contents };
}

interface WantedContent {
  readonly entry: FileEntry;
  readonly paths: RepoPath[];
  basis: RepoPath[] | undefined;
}

const FETCH: ContentSource = { how: "fetch" };

/** Gathers which contents must be obtained, each once, however many paths want it. */
class ContentCollector {
  readonly #holdings: LocalHoldings;
  readonly #options: PlanOptions;
  readonly #actionAt: (path: RepoPath) => PathDecision["action"];
  readonly #wanted = new Map<ContentId, WantedContent>();

  constructor(holdings: LocalHoldings, options: PlanOptions, actionAt: (path: RepoPath) => PathDecision["action"]) {
    this.#holdings = holdings;
    this.#options = options;
    this.#actionAt = actionAt;
  }

  add(entry: FileEntry, item: ConsideredPath): void {
    let wanted = this.#wanted.get(entry.content);
    if (wanted === undefined) {
      // A list that begins with an item has no room to grow: most contents have one path, and there may be millions.
      wanted = { entry, paths: [item.path], basis: undefined };
      this.#wanted.set(entry.content, wanted);
    } else wanted.paths.push(item.path);
    if (item.local.kind !== "file" || item.local.size === 0) return;
    if (wanted.basis === undefined) wanted.basis = [item.path];
    else if (wanted.basis.length < MAX_BASES) wanted.basis.push(item.path);
  }

  contents(): ContentToObtain[] {
    return [...this.#wanted.values()].map((wanted) => ({
      content: wanted.entry.content,
      lengthBytes: wanted.entry.size,
      source: this.#sourceOf(wanted),
      paths: wanted.paths,
      attributes: wanted.entry,
    }));
  }

  #sourceOf({ entry, basis }: WantedContent): ContentSource {
    const { content } = entry;
    if (content === EMPTY_CONTENT) return FETCH;
    let from: RepoPath | undefined;
    for (const holder of this.#holdings.holdersOf(content, "any")) {
      if (this.#isGoingAway(holder)) return { how: "move", from: holder };
      from ??= holder;
    }
    from ??= this.#holdings.strayLike(entry);
    if (from !== undefined) return { how: "copy", from };
    return this.#options.useDelta && basis !== undefined ? { how: "delta", basis } : FETCH;
  }

  #isGoingAway(path: RepoPath): boolean {
    return ["remove", "place", "link", "make"].includes(this.#actionAt(path));
  }
}

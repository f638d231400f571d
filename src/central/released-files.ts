import type { RepoPath } from "../core/repo-path.ts";
import { type CustomerRequest, decideCustomerRequest, parseCustomerRequest } from "../delivery/customer-request.ts";
import type { ServedContent } from "../delivery/file-answer.ts";
import { mediaTypeOf } from "../delivery/media-type.ts";
import { redirectTarget, type RedirectTarget } from "../delivery/redirect-answer.ts";
import { isMetadataPath } from "../plan/metadata-class.ts";
import type { ContentPlace } from "../tracker/content-holders.ts";
import type { FileTable, PublishedTree, TabledFile } from "./published-tree.ts";
import { type FileTableContext, ReleasedFileTable } from "./released-file-table.ts";

/** A file of the current release as somebody asked for it, with all that a redirect needs of it. */
export interface ReleasedFile {
  /** As it was asked for; symlinks may have led elsewhere. */
  readonly path: RepoPath;
  readonly served: ServedContent;
  /**
   * Number of the release that was shown when the path had been looked up. Read after that: a publish in between makes it too new, and no
   * volunteer is there yet; too old it would lead to volunteers that lack the path.
   */
  readonly release: number;
  /** Symlinks led from {@link path} to the file. */
  readonly isBehindLink: boolean;
  /** Undefined if it lies in no bundle. */
  readonly place: ContentPlace | undefined;
  /** Index files must not be mixed from two releases. */
  readonly isMetadata: boolean;
  readonly target: RedirectTarget;
}

/** @param found where symlinks led, `path` itself if there were none, where the content lies, and {@link ReleasedFile.release} */
export function releasedFile(
  path: RepoPath,
  served: ServedContent,
  found: { readonly entryPath: RepoPath; readonly place: ContentPlace | undefined; readonly release: number },
): ReleasedFile {
  const { entryPath, place, release } = found;
  return {
    path,
    served,
    release,
    isBehindLink: entryPath !== path,
    place,
    isMetadata: isMetadataPath(path) || (entryPath !== path && isMetadataPath(entryPath)),
    target: redirectTarget(path, served.content),
  };
}

/** Symlinks are in no table. */
function fileOfTable(path: RepoPath, { place, ...found }: TabledFile, { release }: FileTable): ReleasedFile {
  return releasedFile(path, { ...found, mediaType: mediaTypeOf(path) }, { entryPath: path, place, release });
}

/** Two generations of so many, each of some 700 bytes: below 25 MB, whatever is asked for and however large the release is. */
const GENERATION_ENTRIES = 16_384;
/** What is kept is taken for what the release shows for so long: asking the index each time is 7 % of a redirect. */
const CHECK_MS = 5;
/** Longer targets are looked up each time. */
const MAX_TARGET_CHARACTERS = 512;

/** What a table can be asked for as it stands: neither escaped nor with a query. */
const NOT_LITERAL = /[%?]/;

/**
 * Files of the release by request target: from a table in memory, once that is read ({@link ReleasedFileTable}), else those that were asked
 * for lately, else from the index. Forgotten with the release. Bounded: of the two generations of what was asked for lately the older one
 * goes when the younger one is full.
 */
export class ReleasedFiles {
  readonly #tree: PublishedTree;
  readonly #table: ReleasedFileTable;
  #shownRelease = 0;
  #checkedMs = -Infinity;
  #young = new Map<string, ReleasedFile>();
  #old = new Map<string, ReleasedFile>();

  constructor(context: FileTableContext & { readonly tree: PublishedTree }) {
    this.#tree = context.tree;
    this.#table = new ReleasedFileTable(context);
  }

  /** Undefined if the target is anything but the plain path of a file of the release, with `?sha256=` of it at most. */
  find(target: string, nowMs: number): ReleasedFile | undefined {
    if (nowMs - this.#checkedMs >= CHECK_MS) this.#check(nowMs);
    const tabled = this.#tabled(target);
    if (tabled !== undefined) return tabled;
    const young = this.#young.get(target);
    if (young !== undefined) return young;
    const old = this.#old.get(target);
    if (old === undefined) this.#check(nowMs);
    const found = old ?? this.#look(target);
    if (found !== undefined && isWorthKeeping(target)) this.#keep(target, found);
    return found;
  }

  #tabled(target: string): ReleasedFile | undefined {
    const table = this.#table.current;
    if (table === undefined || !target.startsWith("/") || NOT_LITERAL.test(target)) return undefined;
    const found = table.find(target, 1);
    return found && fileOfTable(target.slice(1) as RepoPath, found, table);
  }

  /** Somebody was shown what the release is now: nobody may be shown an older one from now on. */
  noteLook(): void {
    this.#checkedMs = -Infinity;
  }

  /**
   * What is kept and what is looked up must be of one release, for an index file names the others by their hashes: before a look-up all
   * that is kept is of the release that is shown, or it goes.
   */
  #check(nowMs: number): void {
    this.#checkedMs = nowMs;
    const { shownRelease } = this.#tree;
    if (this.#shownRelease !== shownRelease) this.#forget(shownRelease);
  }

  #look(target: string): ReleasedFile | undefined {
    const asked = this.#tree.release === undefined ? "no release" : parseCustomerRequest(target);
    if (typeof asked === "string" || !isPlain(asked)) return undefined;
    const { path, endsWithSlash, wantedContent } = asked;
    const table = this.#table.current;
    const tabled = path === undefined || endsWithSlash ? undefined : table?.find(path);
    if (tabled !== undefined && (wantedContent ?? tabled.content) === tabled.content)
      return fileOfTable(path!, tabled, table!);
    return this.#table.lookUp(() => {
      const decision = decideCustomerRequest(asked, (path) => this.#tree.entry(path));
      if (decision.kind !== "file") return undefined;
      const { entry, served } = decision;
      const place = this.#tree.placeOf(served.content);
      return releasedFile(path!, served, { entryPath: entry.path, place, release: this.#tree.shownRelease });
    });
  }

  #keep(target: string, found: ReleasedFile): void {
    if (this.#young.size >= GENERATION_ENTRIES) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(target, copyOf(found));
  }

  #forget(shownRelease: number): void {
    this.#shownRelease = shownRelease;
    this.#table.forget();
    this.#young = new Map();
    this.#old = new Map();
  }
}

/**
 * What is kept is a copy. V8 allocates what grew old at one place in the code among the old objects from the start (allocation site
 * pretenuring): those of the table, made at the same places, would be garbage there at once and keep all that they point to from the
 * collections of young objects, 400 bytes a redirect, until a collection of everything, for which all customers wait.
 */
function copyOf(file: ReleasedFile): ReleasedFile {
  const { served, place, target } = file;
  return { ...file, served: { ...served }, place: place && { ...place }, target: { ...target } };
}

/** Other queries that say nothing here would fill it with the same file again and again. */
function isWorthKeeping(target: string): boolean {
  return target.length <= MAX_TARGET_CHARACTERS && /^[^?]*(?:\?sha256=[0-9a-f]{64})?$/.test(target);
}

function isPlain({ explanation, isOriginWanted }: CustomerRequest): boolean {
  return explanation === undefined && !isOriginWanted;
}

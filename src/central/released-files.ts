import type { RepoPath } from "../core/repo-path.ts";
import { type CustomerRequest, decideCustomerRequest, parseCustomerRequest } from "../delivery/customer-request.ts";
import type { ServedContent } from "../delivery/file-answer.ts";
import { redirectTarget, type RedirectTarget } from "../delivery/redirect-answer.ts";
import type { FileEntry } from "../manifest/entry.ts";
import { isMetadataPath } from "../plan/metadata-class.ts";
import type { ContentPlace } from "../tracker/content-holders.ts";
import type { PublishedTree } from "./published-tree.ts";

/** A file of the current release as somebody asked for it, with all that a redirect needs of it. */
export interface ReleasedFile {
  /** As it was asked for; {@link FileEntry.path} of the entry is where that led, through symlinks. */
  readonly path: RepoPath;
  readonly served: ServedContent;
  /** Undefined if it lies in no bundle. */
  readonly place: ContentPlace | undefined;
  /** Index files must not be mixed from two releases. */
  readonly isMetadata: boolean;
  readonly target: RedirectTarget;
}

export function releasedFile(
  tree: PublishedTree,
  path: RepoPath,
  found: { readonly entry: FileEntry; readonly served: ServedContent },
): ReleasedFile {
  const { entry, served } = found;
  return {
    path,
    served,
    place: tree.placeOf(served.content),
    isMetadata: isMetadataPath(path) || isMetadataPath(entry.path),
    target: redirectTarget(path, served.content),
  };
}

/** Two generations of so many, each of some 700 bytes: below 100 MB, whatever is asked for and however large the release is. */
const GENERATION_ENTRIES = 65_536;
/** Longer targets are looked up each time. */
const MAX_TARGET_CHARACTERS = 512;

/**
 * Files that were asked for lately, by request target: customers mostly ask for the same ones, and two look-ups in an index of 2.2 million
 * contents cost more than the rest of a redirect. Forgotten with the release. Bounded: of the two generations the older one goes when the
 * younger one is full.
 */
export class ReleasedFiles {
  readonly #tree: PublishedTree;
  #shownRelease = 0;
  #young = new Map<string, ReleasedFile>();
  #old = new Map<string, ReleasedFile>();

  constructor(tree: PublishedTree) {
    this.#tree = tree;
  }

  /** Undefined if the target is anything but the plain path of a file of the release, with `?sha256=` of it at most. */
  find(target: string): ReleasedFile | undefined {
    // What is kept and what is looked up must be of one release: an index file names the others by their hashes.
    const { shownRelease } = this.#tree;
    if (this.#shownRelease !== shownRelease) this.#forget(shownRelease);
    const young = this.#young.get(target);
    if (young !== undefined) return young;
    const found = this.#old.get(target) ?? this.#look(target);
    if (found !== undefined && isWorthKeeping(target)) this.#keep(target, found);
    return found;
  }

  #look(target: string): ReleasedFile | undefined {
    const asked = this.#tree.release === undefined ? "no release" : parseCustomerRequest(target);
    if (typeof asked === "string" || !isPlain(asked)) return undefined;
    const decision = decideCustomerRequest(asked, (path) => this.#tree.entry(path));
    return decision.kind === "file" ? releasedFile(this.#tree, asked.path!, decision) : undefined;
  }

  #keep(target: string, found: ReleasedFile): void {
    if (this.#young.size >= GENERATION_ENTRIES) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(target, found);
  }

  #forget(shownRelease: number): void {
    this.#shownRelease = shownRelease;
    this.#young = new Map();
    this.#old = new Map();
  }
}

/** Other queries that say nothing here would fill it with the same file again and again. */
function isWorthKeeping(target: string): boolean {
  return target.length <= MAX_TARGET_CHARACTERS && /^[^?]*(?:\?sha256=[0-9a-f]{64})?$/.test(target);
}

function isPlain({ explanation, isOriginWanted }: CustomerRequest): boolean {
  return explanation === undefined && !isOriginWanted;
}

import type { HashedFile } from "./hash-file.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import type { IndexedContent, IndexedContents } from "../store/publish-index-contents.ts";
import type { FileToHash, PendingChanges } from "../store/publish-index-pending.ts";
import { fingerprintOf, inodeStatOf, isSameButForCtime, type InodeStat } from "../store/publish-index-stat.ts";
import type { RetainedContents } from "../store/retained-contents.ts";

/** Where the outcome of hashing goes. */
export interface RecordContext {
  readonly root: ConfinedDirectory;
  readonly pending: PendingChanges;
  readonly contents: IndexedContents;
  readonly retained: RetainedContents;
  readonly pieceLength: number;
}

/** Records hashed files in the index and retains their contents. */
export class HashRecorder {
  readonly #context: RecordContext;
  /** Why a content could not be retained, the first time; undefined if all could. */
  retentionProblem: string | undefined;

  constructor(context: RecordContext) {
    this.#context = context;
  }

  /** False if the file is no longer what was hashed: read it again. */
  record(file: FileToHash, hashed: HashedFile): boolean {
    const { contents, pending } = this.#context;
    const size = Number(hashed.stats.size);
    const indexed = contents.findOrAdd(hashed.content, size);
    this.#dropWrongCopies(indexed, hashed.stats);
    const source = size === 0 ? this.#lstatAgain(file, hashed) : this.#retain(file, { hashed, indexed });
    if (source === undefined) return false;
    if (!indexed.isPlaced && size > 0) contents.addPieces(indexed.row, this.#context.pieceLength, hashed.pieces);
    if (hashed.signature !== undefined) contents.addSignature(indexed.row, hashed.signature);
    if (hashed.sketch !== undefined) contents.addSketch(indexed.row, hashed.sketch);
    pending.complete(file, {
      contentRow: indexed.row,
      mode: Number(source.mode & 0o7777n),
      mtimeNs: source.mtimeNs,
      size,
      stat: fingerprintOf(source),
      isGroup: hashed.stats.nlink > 1n,
    });
    return true;
  }

  /** A copy of another content that is a hard link to this very inode was changed in place along with it. */
  #dropWrongCopies(indexed: IndexedContent, stats: InodeStat): void {
    for (const other of this.#context.contents.retainedBy(stats)) {
      if (other.row === indexed.row) continue;
      this.#context.retained.drop(other.content);
      this.#context.contents.forgetRetained(other.row);
    }
  }

  /** Stat of the file in TREE afterwards, undefined if it changed. */
  #retain(
    file: FileToHash,
    { hashed, indexed }: { readonly hashed: HashedFile; readonly indexed: IndexedContent },
  ): InodeStat | undefined {
    const { contents, retained, root } = this.#context;
    const kept = retained.retain(hashed.content, { root, path: file.path, stats: hashed.stats }, indexed.retained);
    switch (kept.outcome) {
      case "source-changed":
        return undefined;
      case "impossible":
        this.retentionProblem ??= kept.reason;
        return this.#lstatAgain(file, hashed);
      case "retained":
        contents.recordRetained(indexed.row, kept.copy);
        return kept.source;
    }
  }

  #lstatAgain(file: FileToHash, hashed: HashedFile): InodeStat | undefined {
    const now = this.#context.root.lstat(file.path);
    return now !== undefined && isSameButForCtime(now, hashed.stats) ? inodeStatOf(now) : undefined;
  }
}

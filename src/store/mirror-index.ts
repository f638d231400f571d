import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../core/errors.ts";
import type { EntryPair } from "../manifest/entry.ts";
import { StoreError } from "./errors.ts";
import { BundleRecords } from "./mirror-index-bundles.ts";
import { FactRecords } from "./mirror-index-facts.ts";
import { FileRecords } from "./mirror-index-files.ts";
import { GoneRecords } from "./mirror-index-gone.ts";
import { ManifestRecords, type ManifestVersion } from "./mirror-index-manifest.ts";
import {
  isIndexDamaged,
  isNotedAsDamaged,
  moveAside,
  noteAsDamaged,
  openIndexDatabase,
} from "./mirror-index-schema.ts";
import { SketchRecords } from "./mirror-index-sketches.ts";
import { RecompressionRecords } from "./mirror-index-recompressions.ts";
import { StagedRecords } from "./mirror-index-staged.ts";

/**
 * What a mirror knows about itself: `DEST/.prsync/index.sqlite`. It may lag behind the disk but never lies: records of
 * files count only while their stat is the same, and the release number changes in the same transaction as the manifest.
 * All of it can be rebuilt from a walk and from central. Synchronous throughout; one writer per DEST holds the lock.
 */
export class MirrorIndex implements Disposable {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly facts: FactRecords;
  readonly manifest: ManifestRecords;
  readonly files: FileRecords;
  readonly gone: GoneRecords;
  readonly bundles: BundleRecords;
  readonly staged: StagedRecords;
  readonly sketches: SketchRecords;
  readonly recompressions: RecompressionRecords;
  /** Where a damaged predecessor was moved, if there was one: all is unknown now, walk again and tell people. */
  readonly damagedPredecessor: string | undefined;

  private constructor(path: string, database: DatabaseSync, damagedPredecessor: string | undefined) {
    this.#path = path;
    this.#database = database;
    this.damagedPredecessor = damagedPredecessor;
    this.facts = new FactRecords(database);
    this.manifest = new ManifestRecords(database, this.facts);
    this.files = new FileRecords(database);
    this.gone = new GoneRecords(database);
    this.bundles = new BundleRecords(database);
    this.staged = new StagedRecords(database);
    this.sketches = new SketchRecords(database);
    this.recompressions = new RecompressionRecords(database);
  }

  /**
   * @param options.rebuild start from nothing: the index turned out damaged while in use (see `isIndexDamaged`)
   * @throws StoreError `index-too-new`
   */
  static open(path: string, options: { readonly rebuild?: boolean } = {}): MirrorIndex {
    if (options.rebuild !== true && !isNotedAsDamaged(path)) {
      try {
        return new MirrorIndex(path, openIndexDatabase(path), undefined);
      } catch (error) {
        if (!isIndexDamaged(error)) throw error;
      }
    }
    const aside = moveAside(path);
    return new MirrorIndex(path, openIndexDatabase(path), aside);
  }

  /** Grows with everything that may change what {@link BundleRecords.heldOrdinals} tells. */
  get holdingsVersion(): number {
    return this.files.changeCount + this.bundles.changeCount + this.recompressions.changeCount;
  }

  /** It turned out damaged while in use: the next {@link open} builds it anew. @returns what to throw */
  noteDamage(cause: unknown): StoreError {
    noteAsDamaged(this.#path);
    const told = `index "${this.#path}" is damaged: ${messageOf(cause)}; the next start builds it anew`;
    return new StoreError("index-damaged", told, { cause });
  }

  /**
   * All or nothing, and a thousand times faster than single writes. Inside another transaction it just belongs to that.
   * A power cut may undo the last ones. `act` must not be asynchronous.
   */
  transaction<Result>(act: () => Result): Result {
    if (this.#database.isTransaction) return act();
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = act();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * As {@link transaction}, and no power cut undoes it or what was written before. For notes of what is owed, before what
   * they speak of is changed. Not inside another transaction.
   */
  durably(act: () => void): void {
    this.#database.exec("PRAGMA synchronous = FULL");
    try {
      this.transaction(act);
    } finally {
      this.#database.exec("PRAGMA synchronous = NORMAL");
    }
  }

  /**
   * Records the release on its way, durably; all its chunks must have been put. Replaces another one.
   * @param pairs what differs from the held one, in path order, if that is known: else its chunks are read for it
   */
  setNextRelease(version: ManifestVersion, pairs?: readonly EntryPair[]): void {
    this.durably(() => this.manifest.setNext(version, pairs));
  }

  /**
   * The release on its way becomes the held one, once DEST shows it: entries, chunks and number in one durable
   * transaction. Lets other work run in between; what that writes belongs to the same transaction.
   * @param also further writes of the same transaction (retired bundles, for instance)
   */
  async commitRelease(also: () => void = () => undefined): Promise<void> {
    this.#database.exec("PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
    try {
      await this.manifest.applyNext();
      also();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    } finally {
      this.#database.exec("PRAGMA synchronous = NORMAL");
    }
  }

  /** Gives up the pages that it keeps in memory, up to 32 MiB; the next look reads them anew. */
  rest(): void {
    if (this.#database.isOpen) this.#database.exec("PRAGMA shrink_memory");
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import { type BundleRow, encodeBundleRow, parseBundleList } from "../manifest/bundle-list.ts";
import type { TableContent } from "../manifest/content-table.ts";

/** Where a content lies: position in the content table of a bundle. */
export interface BundlePlace {
  readonly bundle: number;
  readonly ordinal: number;
  readonly lengthBytes: number;
}

/** Tables `bundles`, `bundle_contents`, `infos`. */
export class BundleRecords {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #get: StatementSync;
  readonly #byInfoHash: StatementSync;
  readonly #putContent: StatementSync;
  readonly #contents: StatementSync;
  readonly #newestPlace: StatementSync;
  readonly #info: StatementSync;
  #changeCount = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = database.prepare("INSERT OR REPLACE INTO bundles(number, info_hash, line) VALUES (?, ?, ?)");
    this.#get = database.prepare("SELECT line FROM bundles WHERE number = ?");
    this.#byInfoHash = database.prepare("SELECT line FROM bundles WHERE info_hash = ?");
    this.#putContent = database.prepare(
      "INSERT OR REPLACE INTO bundle_contents(bundle, ordinal, content, length) VALUES (?, ?, ?, ?)",
    );
    this.#contents = database.prepare("SELECT content, length FROM bundle_contents WHERE bundle = ? ORDER BY ordinal");
    this.#newestPlace = database.prepare(
      "SELECT bundle, ordinal, length FROM bundle_contents WHERE content = ? ORDER BY bundle DESC LIMIT 1",
    );
    this.#info = database.prepare("SELECT bytes FROM infos WHERE info_hash = ?");
  }

  /** Times that rows or content tables were written or removed since the index was opened. */
  get changeCount(): number {
    return this.#changeCount;
  }

  put(row: BundleRow): void {
    this.#changeCount++;
    this.#put.run(row.number, Buffer.from(row.infoHash, "hex"), encodeBundleRow(row));
  }

  get(number: number): BundleRow | undefined {
    return rowOf(this.#get.get(number));
  }

  /** @param infoHash 40 hex digits */
  byInfoHash(infoHash: string): BundleRow | undefined {
    return rowOf(this.#byInfoHash.get(Buffer.from(infoHash, "hex")));
  }

  /** Ascending by number. */
  all(): BundleRow[] {
    const rows = this.#database.prepare("SELECT line FROM bundles ORDER BY number").all();
    return rows.map((row) => rowOf(row)!);
  }

  /** Forgets a bundle with its content table and info dictionary. */
  remove(number: number): void {
    this.#changeCount++;
    const row = this.get(number);
    if (row === undefined) return;
    this.#database.prepare("DELETE FROM infos WHERE info_hash = ?").run(Buffer.from(row.infoHash, "hex"));
    this.#database.prepare("DELETE FROM bundle_contents WHERE bundle = ?").run(number);
    this.#database.prepare("DELETE FROM bundles WHERE number = ?").run(number);
  }

  /** Records the content table of a bundle; use a transaction. */
  putContents(bundle: number, contents: readonly TableContent[]): void {
    this.#changeCount++;
    contents.forEach(({ content, lengthBytes }, ordinal) => {
      this.#putContent.run(bundle, ordinal, Buffer.from(content, "hex"), lengthBytes);
    });
  }

  /** The content table in order; empty if it was not fetched yet. */
  contentsOf(bundle: number): TableContent[] {
    return this.#contents.all(bundle).map((row) => ({
      content: contentIdOf(row.content as Uint8Array),
      lengthBytes: Number(row.length),
    }));
  }

  /** All content tables, by number of the bundle and in their order; read to the end or left before anything is written. */
  *contents(): Generator<BundlePlace & { readonly content: ContentId }> {
    const rows = this.#database.prepare(
      "SELECT bundle, ordinal, content, length FROM bundle_contents ORDER BY bundle, ordinal",
    );
    for (const { bundle, ordinal, content, length } of rows.iterate()) {
      const id = contentIdOf(content as Uint8Array);
      yield { bundle: Number(bundle), ordinal: Number(ordinal), content: id, lengthBytes: Number(length) };
    }
  }

  /** The place in the newest bundle (as far as their tables are known) that holds a content; undefined if none does. */
  newestPlaceOf(content: ContentId): BundlePlace | undefined {
    const row = this.#newestPlace.get(Buffer.from(content, "hex"));
    if (row === undefined) return undefined;
    return { bundle: Number(row.bundle), ordinal: Number(row.ordinal), lengthBytes: Number(row.length) };
  }

  /** Contents of these bundles, as many files and bytes. */
  totalsOf(bundles: readonly number[]): { readonly files: number; readonly bytes: number } {
    const query = this.#database.prepare(
      "SELECT count(*) AS files, total(length) AS bytes FROM bundle_contents WHERE bundle = ?",
    );
    const rows = bundles.map((bundle) => query.get(bundle)!);
    return {
      files: rows.reduce((sum, row) => sum + Number(row.files), 0),
      bytes: rows.reduce((sum, row) => sum + Number(row.bytes), 0),
    };
  }

  /** Ordinals of the contents of a bundle that a verified file of DEST has or unpacks to, ascending. */
  heldOrdinals(bundle: number): number[] {
    return this.#heldOrdinals(bundle, "");
  }

  /** Those of {@link heldOrdinals} that stand, verified, at each name that the held release has for them. */
  shownOrdinals(bundle: number): number[] {
    return this.#heldOrdinals(
      bundle,
      `AND NOT EXISTS (SELECT 1 FROM entries AS e WHERE e.content = b.content AND NOT EXISTS
      (SELECT 1 FROM files AS f WHERE f.path = e.path AND f.content = e.content AND f.verified = 1))`,
    );
  }

  #heldOrdinals(bundle: number, also: string): number[] {
    // Before the first sync each content of each bundle would be looked for in vain.
    if (this.#database.prepare("SELECT 1 FROM files LIMIT 1").get() === undefined) return [];
    const query = `SELECT ordinal FROM bundle_contents AS b WHERE bundle = ? AND (EXISTS
      (SELECT 1 FROM files AS f WHERE f.content = b.content AND f.verified = 1) OR EXISTS
      (SELECT 1 FROM recompressions AS r JOIN files AS f ON f.content = r.content
      WHERE r.inner = b.content AND f.verified = 1)) ${also} ORDER BY ordinal`;
    return this.#database
      .prepare(query)
      .all(bundle)
      .map((row) => Number(row.ordinal));
  }

  /** Bencoded info dictionary. */
  info(infoHash: string): Uint8Array | undefined {
    return this.#info.get(Buffer.from(infoHash, "hex"))?.bytes as Uint8Array | undefined;
  }

  putInfo(infoHash: string, bytes: Uint8Array): void {
    const statement = this.#database.prepare("INSERT OR REPLACE INTO infos(info_hash, bytes) VALUES (?, ?)");
    statement.run(Buffer.from(infoHash, "hex"), bytes);
  }
}

function rowOf(row: Record<string, SQLOutputValue> | undefined): BundleRow | undefined {
  return row === undefined ? undefined : parseBundleList(Buffer.from(`${row.line as string}\n`))[0];
}

import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import { type BundleRow, encodeBundleRow, parseBundleList } from "../manifest/bundle-list.ts";
import { ContentTable, type TableContent } from "../manifest/content-table.ts";

/** Where a content lies: position in the content table of a bundle. */
export interface BundlePlace {
  readonly bundle: number;
  readonly ordinal: number;
  readonly lengthBytes: number;
}

/** Half-open. */
export interface OrdinalRange {
  readonly start: number;
  readonly end: number;
}

const ALL_ORDINALS: OrdinalRange = { start: 0, end: Number.MAX_SAFE_INTEGER };

/** Where a step of {@link BundleRecords.heldStep} ended. */
export interface HeldStepEnd {
  readonly content: Uint8Array;
  readonly bundle: number;
  readonly ordinal: number;
}

export interface HeldStep {
  readonly held: readonly Omit<BundlePlace, "lengthBytes">[];
  /** Undefined after the last step. */
  readonly end: HeldStepEnd | undefined;
}

/** Of a row `b` of `bundle_contents`. */
const IS_HELD = `(EXISTS (SELECT 1 FROM files AS f WHERE f.content = b.content AND f.verified = 1)
  OR EXISTS (SELECT 1 FROM recompressions AS r JOIN files AS f ON f.content = r.content
  WHERE r.inner = b.content AND f.verified = 1))`;
const IS_SHOWN = `${IS_HELD} AND NOT EXISTS (SELECT 1 FROM entries AS e WHERE e.content = b.content AND NOT EXISTS
  (SELECT 1 FROM files AS f WHERE f.path = e.path AND f.content = e.content AND f.verified = 1))`;

/** Tables `bundles`, `bundle_contents`, `infos`. */
export class BundleRecords {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #get: StatementSync;
  readonly #byInfoHash: StatementSync;
  readonly #putContent: StatementSync;
  readonly #contents: StatementSync;
  readonly #contentCount: StatementSync;
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
    this.#contents = database.prepare(
      "SELECT content AS digest, length AS lengthBytes FROM bundle_contents WHERE bundle = ? ORDER BY ordinal",
    );
    this.#contentCount = database.prepare("SELECT count(*) AS count FROM bundle_contents WHERE bundle = ?");
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
  putContents(bundle: number, contents: Iterable<TableContent>): void {
    this.#changeCount++;
    let ordinal = 0;
    for (const { content, lengthBytes } of contents) {
      this.#putContent.run(bundle, ordinal++, Buffer.from(content, "hex"), lengthBytes);
    }
  }

  /** The content table; undefined if it was not fetched yet. */
  contentsOf(bundle: number): ContentTable | undefined {
    const { count } = this.#contentCount.get(bundle) as { readonly count: number };
    if (count === 0) return undefined;
    const rows = this.#contents.iterate(bundle) as Iterable<{
      readonly digest: Uint8Array;
      readonly lengthBytes: number;
    }>;
    return ContentTable.of(count, rows);
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

  /** Ordinals, all or some, of the contents of a bundle that a verified file of DEST has or unpacks to, ascending. */
  heldOrdinals(bundle: number, among: OrdinalRange = ALL_ORDINALS): number[] {
    return this.#heldOrdinals(bundle, among, IS_HELD);
  }

  /** Those of {@link heldOrdinals} that stand, verified, at each name that the held release has for them. */
  shownOrdinals(bundle: number): number[] {
    return this.#heldOrdinals(bundle, ALL_ORDINALS, IS_SHOWN);
  }

  #heldOrdinals(bundle: number, { start, end }: OrdinalRange, condition: string): number[] {
    if (this.#hasNoFiles()) return [];
    const query = `SELECT ordinal FROM bundle_contents AS b WHERE bundle = ? AND ordinal >= ? AND ordinal < ?
      AND ${condition} ORDER BY ordinal`;
    return this.#database
      .prepare(query)
      .all(bundle, start, end)
      .map((row) => Number(row.ordinal));
  }

  /**
   * {@link heldOrdinals}, or {@link shownOrdinals}, of all bundles step by step, so that others get their turns: millions take seconds. In
   * the order of hashes, because what belongs to neighbours lies together in the index: 2.5 µs for each content, by bundles 9 µs.
   * @param after the end of the step before; undefined: the first step
   */
  heldStep(after: HeldStepEnd | undefined, options: { readonly limit: number; readonly isByName: boolean }): HeldStep {
    if (this.#hasNoFiles()) return { held: [], end: undefined };
    const query = this.#database
      .prepare(`SELECT content, bundle, ordinal, (${options.isByName ? IS_SHOWN : IS_HELD}) AS held
      FROM bundle_contents AS b WHERE (content, bundle, ordinal) > (?, ?, ?) ORDER BY content, bundle, ordinal LIMIT ?`);
    const { content, bundle, ordinal } = after ?? { content: new Uint8Array(0), bundle: 0, ordinal: 0 };
    const rows = query.all(content, bundle, ordinal, options.limit);
    const last = rows.length < options.limit ? undefined : rows.at(-1);
    const end = last && {
      content: last.content as Uint8Array,
      bundle: Number(last.bundle),
      ordinal: Number(last.ordinal),
    };
    const held = rows
      .filter((row) => row.held === 1)
      .map((row) => ({ bundle: Number(row.bundle), ordinal: Number(row.ordinal) }));
    return { held, end };
  }

  /** Before the first sync each content of each bundle would be looked for in vain. */
  #hasNoFiles(): boolean {
    return this.#database.prepare("SELECT 1 FROM files LIMIT 1").get() === undefined;
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

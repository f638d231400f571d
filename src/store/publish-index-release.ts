import type { BundleKind, BundleRow } from "../manifest/bundle-list.ts";
import type { MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import type { PublishIndex } from "./publish-index.ts";
import { IS_UNUSED, retentionBounds } from "./publish-index-contents.ts";
import { IndexedMetadataBundles } from "./publish-index-metadata.ts";
import { IndexedRecompressions } from "./publish-index-recompressions.ts";
import { hexBlob, type Row } from "./publish-index-rows.ts";
import { ROW_KIND } from "./publish-index-schema.ts";

/** A bundle that a release adds; `contentRows` are its contents in bundle order. */
export interface NewBundle {
  readonly row: BundleRow;
  readonly contentRows: readonly number[];
  /** Of its contents, without padding. */
  readonly dataBytes: number;
}

/** All that is to be durable before a release is signed. */
export interface PreparedRelease {
  readonly number: number;
  /** release.json */
  readonly bytes: Uint8Array;
  readonly createdMs: number;
  readonly bundlesAdded: readonly NewBundle[];
  readonly bundlesRetired: readonly number[];
  readonly metadata: MetadataBundleRow;
  /** SHA-256 of every object and file of a metadata bundle that the release refers to. */
  readonly objects: Iterable<string>;
}

/** Contents whose bundle one release made, and that are shorter than `belowBytes` and no shorter than half of it. */
export interface ReleaseBytes {
  readonly release: number;
  readonly belowBytes: number;
  readonly bytes: number;
}

/** A content that lies in no bundle yet. */
export interface UnplacedContent {
  readonly contentRow: number;
  readonly sha256: Uint8Array;
  readonly lengthBytes: number;
  /** First path that has it, in tree order. */
  readonly path: Uint8Array;
}

/**
 * The step from one release to the next in two phases: {@link prepare} makes everything durable under the next number,
 * then TUF's metadata is signed, then {@link apply} turns the page. Whoever finds a prepared release asks the metadata
 * whether it was signed: then `apply`, else {@link discardPrepared}.
 */
export class IndexedReleases {
  readonly #index: PublishIndex;
  readonly #metadata: IndexedMetadataBundles;

  constructor(index: PublishIndex) {
    this.#index = index;
    this.#metadata = new IndexedMetadataBundles(index);
  }

  /** release.json of a release that is prepared or was applied lately. */
  bytes(number: number): Uint8Array | undefined {
    const row = this.#index.database.prepare("SELECT bytes FROM releases WHERE number = ?").get(number);
    return row?.bytes as Uint8Array | undefined;
  }

  /** Bundles that a release lists, ascending. */
  bundles(release: number): BundleRow[] {
    const rows = this.#index.database.prepare(
      "SELECT * FROM bundles WHERE release <= ? AND (retired_release IS NULL OR retired_release > ?) ORDER BY number",
    );
    return rows.all(release, release).map(bundleRowOf);
  }

  bundle(infoHash: string): BundleRow | undefined {
    const row = this.#index.prepare("SELECT * FROM bundles WHERE info_hash = ?").get(hexBlob(infoHash));
    return row === undefined ? undefined : bundleRowOf(row);
  }

  /** Of contents that files of the applied release have; one look at each content. */
  bytesByRelease(): ReleaseBytes[] {
    const rows = this.#index.database.prepare(`SELECT b.release AS release, CAST(log2(c.size) AS INTEGER) AS exponent,
      total(c.size) AS bytes FROM contents c JOIN bundles b ON b.number = c.bundle
      WHERE c.dropped_release IS NULL AND c.since_release IS NOT NULL GROUP BY b.release, exponent`);
    return rows.all().map(({ release, exponent, bytes }) => ({
      release: Number(release),
      belowBytes: 2 ** (Number(exponent) + 1),
      bytes: Number(bytes),
    }));
  }

  highestBundleNumber(): number {
    const row = this.#index.database.prepare("SELECT max(number) AS n FROM bundles").get()!;
    return Math.max(Number(row.n ?? 0), this.#metadata.highestNumber());
  }

  /** Contents of the next release that lie in no bundle, in tree order, each once. */
  *unplacedContents(): Generator<UnplacedContent> {
    const rows = this.#index.database.prepare(`SELECT c.id AS id, c.sha256 AS sha256, c.size AS size,
      min(p.path) AS path FROM pending p JOIN contents c ON c.id = p.content
      WHERE c.bundle IS NULL AND c.size > 0 GROUP BY c.id ORDER BY path`);
    for (const row of rows.iterate()) {
      const sha256 = row.sha256 as Uint8Array;
      yield { contentRow: Number(row.id), sha256, lengthBytes: Number(row.size), path: row.path as Uint8Array };
    }
  }

  /** Bundles of which no content is live in a retained release, were `next` the newest. */
  bundlesToRetire(next: number, nowMs: number): number[] {
    const rows = this.#index.database.prepare(`SELECT number FROM bundles b WHERE retired_release IS NULL
      AND NOT EXISTS(SELECT 1 FROM contents WHERE contents.bundle = b.number
      AND NOT (dropped_release IS NOT NULL AND dropped_release <= ? AND dropped_ms <= ? AND ${IS_UNUSED}))
      ORDER BY number`);
    return rows.all(...retentionBounds(next, nowMs)).map((row) => Number(row.number));
  }

  /** Different contents of the next release. */
  countNextContents(): number {
    const row = this.#index.database.prepare(`SELECT count(*) AS n FROM (
      SELECT content FROM pending WHERE content IS NOT NULL
      UNION SELECT content FROM entries e WHERE content IS NOT NULL
      AND NOT EXISTS(SELECT 1 FROM pending p WHERE p.path = e.path))`);
    return Number(row.get()!.n);
  }

  /** By how much {@link countNextContents} will be more than the applied release's contents, at the cost of what is pending. */
  contentsGrowth(): number {
    const row = this.#index.database.prepare(`WITH
      next(content) AS MATERIALIZED (SELECT DISTINCT content FROM pending WHERE content IS NOT NULL),
      past(content) AS MATERIALIZED (SELECT DISTINCT e.content FROM pending p CROSS JOIN entries e ON e.path = p.path
        WHERE e.content IS NOT NULL)
      SELECT (SELECT count(*) FROM next WHERE NOT EXISTS(SELECT 1 FROM entries e WHERE e.content = next.content))
        - (SELECT count(*) FROM past WHERE content NOT IN (SELECT content FROM next)
          AND NOT EXISTS(SELECT 1 FROM entries e WHERE e.content = past.content
            AND NOT EXISTS(SELECT 1 FROM pending p WHERE p.path = e.path))) AS n`);
    return Number(row.get()!.n);
  }

  /** True if the object was durable when a release that refers to it was prepared. */
  hasObject(sha256: string): boolean {
    return this.#index.prepare("SELECT 1 FROM objects WHERE sha256 = ?").get(hexBlob(sha256)) !== undefined;
  }

  /** True for an object that the applied release did not refer to and the next one may bring. */
  isObjectNew(sha256: string): boolean {
    const row = this.#index.prepare("SELECT last_release FROM objects WHERE sha256 = ?").get(hexBlob(sha256));
    return row === undefined || Number(row.last_release) !== this.#index.appliedRelease;
  }

  /** Bundles that a release up to `applied` retired and that still have a row. */
  retiredBundles(applied: number): BundleRow[] {
    const rows = this.#index.database.prepare("SELECT * FROM bundles WHERE retired_release <= ?");
    return rows.all(applied).map(bundleRowOf);
  }

  deleteBundle(number: number): void {
    const { database } = this.#index;
    this.#index.transaction(() => {
      database.prepare("UPDATE contents SET bundle = NULL, ordinal = NULL WHERE bundle = ?").run(number);
      database.prepare("DELETE FROM bundles WHERE number = ?").run(number);
    });
  }

  /** Objects that the newest three releases do not need, and whose last release was replaced 48 hours ago. */
  expiredObjects(newest: number, nowMs: number): string[] {
    const [release, droppedMs] = retentionBounds(newest, nowMs);
    const rows = this.#index.database.prepare(`SELECT sha256 FROM objects WHERE last_release < ? AND NOT EXISTS(
      SELECT 1 FROM releases WHERE number = last_release + 1 AND created_ms > ?)`);
    return rows.all(release, droppedMs).map((row) => Buffer.from(row.sha256 as Uint8Array).toString("hex"));
  }

  deleteObject(sha256: string): void {
    this.#index.database.prepare("DELETE FROM objects WHERE sha256 = ?").run(hexBlob(sha256));
  }

  /** Keeps what {@link expiredObjects} asks for. */
  deleteOldReleases(newest: number, nowMs: number): void {
    const [release, droppedMs] = retentionBounds(newest, nowMs);
    this.#index.database.prepare("DELETE FROM releases WHERE number < ? AND created_ms <= ?").run(release, droppedMs);
  }

  prepare(release: PreparedRelease): void {
    const { database } = this.#index;
    this.#index.transaction(() => {
      for (const bundle of release.bundlesAdded) this.#insertBundle(bundle);
      const retire = database.prepare("UPDATE bundles SET retired_release = ? WHERE number = ?");
      for (const number of release.bundlesRetired) retire.run(release.number, number);
      const use = database.prepare(`INSERT INTO objects(sha256, last_release) VALUES(?, ?)
        ON CONFLICT(sha256) DO UPDATE SET last_release = excluded.last_release`);
      for (const sha256 of release.objects) use.run(hexBlob(sha256), release.number);
      database
        .prepare("INSERT OR REPLACE INTO releases(number, bytes, created_ms) VALUES(?, ?, ?)")
        .run(release.number, release.bytes, release.createdMs);
      this.#metadata.insert(release.metadata);
    });
  }

  #insertBundle({ row, contentRows }: NewBundle): void {
    const { database } = this.#index;
    database
      .prepare(
        `INSERT INTO bundles(number, kind, info_hash, length, piece_length, contents, release, table_sha256, table_length, name)
        VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        row.number,
        row.kind,
        hexBlob(row.infoHash),
        row.lengthBytes,
        row.pieceLength,
        row.contentCount,
        row.release,
        hexBlob(row.table.sha256),
        row.table.lengthBytes,
        row.name,
      );
    const place = database.prepare("UPDATE contents SET bundle = ?, ordinal = ? WHERE id = ?");
    contentRows.forEach((contentRow, ordinal) => place.run(row.number, ordinal, contentRow));
  }

  /** Forgets releases that were prepared but never signed. Their contents and hashes stay for the next try. */
  discardPrepared(): void {
    const { database, appliedRelease } = this.#index;
    this.#index.transaction(() => {
      database
        .prepare(
          "UPDATE contents SET bundle = NULL, ordinal = NULL WHERE bundle IN (SELECT number FROM bundles WHERE release > ?)",
        )
        .run(appliedRelease);
      database.prepare("DELETE FROM bundles WHERE release > ?").run(appliedRelease);
      database.prepare("UPDATE bundles SET retired_release = NULL WHERE retired_release > ?").run(appliedRelease);
      database.prepare("DELETE FROM releases WHERE number > ?").run(appliedRelease);
      this.#metadata.deleteAfter(appliedRelease);
    });
  }

  /** Makes the prepared release the current one: `pending` goes into `entries`. */
  apply(number: number, nowMs: number): void {
    this.#index.transaction(() => {
      const { database } = this.#index;
      database.exec(`CREATE TEMP TABLE touched(content INTEGER PRIMARY KEY);
        INSERT OR IGNORE INTO touched SELECT e.content FROM pending p CROSS JOIN entries e ON e.path = p.path
          WHERE e.content IS NOT NULL;
        UPDATE contents SET since_release = ${number} WHERE id IN (SELECT content FROM pending)
          AND NOT EXISTS(SELECT 1 FROM entries e WHERE e.content = contents.id);
        DELETE FROM entries WHERE path IN (SELECT path FROM pending WHERE kind = ${ROW_KIND.removed});
        INSERT OR REPLACE INTO entries(path, kind, mode, mtime, size, content, target, link, stat, uid, gid)
          SELECT path, kind, mode, mtime, size, content, target, link, stat, uid, gid FROM pending
          WHERE kind <> ${ROW_KIND.removed};
        UPDATE contents SET dropped_release = NULL, dropped_ms = NULL WHERE dropped_release IS NOT NULL
          AND id IN (SELECT content FROM pending WHERE content IS NOT NULL);
        DELETE FROM pending;
        DELETE FROM pieces WHERE content IN (SELECT id FROM contents WHERE bundle IS NOT NULL)`);
      database
        .prepare(
          `UPDATE contents SET dropped_release = ?, dropped_ms = ? WHERE dropped_release IS NULL
          AND (bundle IS NULL OR id IN (SELECT content FROM touched)) AND ${IS_UNUSED}`,
        )
        .run(number, nowMs);
      new IndexedRecompressions(this.#index).followContents(number, nowMs);
      database.exec("DROP TABLE temp.touched");
      this.#index.setMeta("applied", number);
    });
  }
}

function bundleRowOf(row: Row): BundleRow {
  return {
    number: Number(row.number),
    kind: row.kind as BundleKind,
    infoHash: Buffer.from(row.info_hash as Uint8Array).toString("hex"),
    lengthBytes: Number(row.length),
    pieceLength: Number(row.piece_length),
    contentCount: Number(row.contents),
    release: Number(row.release),
    table: {
      sha256: Buffer.from(row.table_sha256 as Uint8Array).toString("hex"),
      lengthBytes: Number(row.table_length),
    },
    name: row.name as string,
  };
}

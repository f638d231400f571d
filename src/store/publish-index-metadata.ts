import { LISTED_METADATA_BUNDLES, type MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import type { PublishIndex } from "./publish-index.ts";
import { hexBlob, type Row } from "./publish-index-rows.ts";

/** Table `metadata_bundles`: one per release, those of the newest three releases and of one that is prepared. */
export class IndexedMetadataBundles {
  readonly #index: PublishIndex;

  constructor(index: PublishIndex) {
    this.#index = index;
  }

  byInfoHash(infoHash: string): MetadataBundleRow | undefined {
    const row = this.#index.prepare("SELECT * FROM metadata_bundles WHERE info_hash = ?").get(hexBlob(infoHash));
    return row === undefined ? undefined : metadataRowOf(row);
  }

  ofRelease(release: number): MetadataBundleRow | undefined {
    const row = this.#index.prepare("SELECT * FROM metadata_bundles WHERE release = ?").get(release);
    return row === undefined ? undefined : metadataRowOf(row);
  }

  /** What a release lists of its own and earlier ones, newest first: by number, as the retention of their files counts. */
  listedBy(release: number): MetadataBundleRow[] {
    const rows = this.#index.database.prepare(
      "SELECT * FROM metadata_bundles WHERE release <= ? AND release > ? ORDER BY release DESC",
    );
    return rows.all(release, release - LISTED_METADATA_BUNDLES).map(metadataRowOf);
  }

  /** Bundles that the applied release lists no more, and that no release after it does. */
  expired(applied: number): MetadataBundleRow[] {
    const rows = this.#index.database.prepare("SELECT * FROM metadata_bundles WHERE release <= ?");
    return rows.all(applied - LISTED_METADATA_BUNDLES).map(metadataRowOf);
  }

  /** To be called in the transaction that prepares the release. */
  insert(row: MetadataBundleRow): void {
    this.#index
      .prepare("INSERT INTO metadata_bundles(release, number, info_hash, length, piece_length) VALUES(?, ?, ?, ?, ?)")
      .run(row.release, row.number, hexBlob(row.infoHash), row.lengthBytes, row.pieceLength);
  }

  delete(release: number): void {
    this.#index.prepare("DELETE FROM metadata_bundles WHERE release = ?").run(release);
  }

  /** Those of releases that were prepared but never signed. */
  deleteAfter(applied: number): void {
    this.#index.prepare("DELETE FROM metadata_bundles WHERE release > ?").run(applied);
  }

  highestNumber(): number {
    return Number(this.#index.database.prepare("SELECT max(number) AS n FROM metadata_bundles").get()!.n ?? 0);
  }
}

function metadataRowOf(row: Row): MetadataBundleRow {
  return {
    number: Number(row.number),
    infoHash: Buffer.from(row.info_hash as Uint8Array).toString("hex"),
    lengthBytes: Number(row.length),
    pieceLength: Number(row.piece_length),
    release: Number(row.release),
  };
}

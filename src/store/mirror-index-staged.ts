import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { Bitfield } from "../core/bitfield.ts";
import { type ContentId, contentIdOf } from "../core/content-id.ts";

/** How far a staged part is. */
export interface StagedRecord {
  readonly content: ContentId;
  readonly lengthBytes: number;
  /** Bytes per bit of `verified`; the last piece may be shorter. */
  readonly pieceLength: number;
  /** Pieces of the content whose hash was right and whose bytes were flushed to disk before this was written. */
  readonly verified: Bitfield;
}

/** Table `staged`. A record may be missing or behind what the part holds; it never says more. */
export class StagedRecords {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#get = database.prepare("SELECT content, length, piece_length, verified FROM staged WHERE content = ?");
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO staged(content, length, piece_length, verified) VALUES (?, ?, ?, ?)",
    );
    this.#remove = database.prepare("DELETE FROM staged WHERE content = ?");
  }

  get(content: ContentId): StagedRecord | undefined {
    const row = this.#get.get(Buffer.from(content, "hex"));
    return row === undefined ? undefined : recordOf(row);
  }

  /** The part must be durable as far as `verified` says. */
  put(record: StagedRecord): void {
    const hash = Buffer.from(record.content, "hex");
    this.#put.run(hash, record.lengthBytes, record.pieceLength, record.verified.toBytes());
  }

  remove(content: ContentId): void {
    this.#remove.run(Buffer.from(content, "hex"));
  }

  *all(): Generator<StagedRecord> {
    const statement = this.#database.prepare("SELECT content, length, piece_length, verified FROM staged");
    for (const row of statement.iterate()) yield recordOf(row);
  }
}

function recordOf(row: Record<string, SQLOutputValue>): StagedRecord {
  const lengthBytes = Number(row.length);
  const pieceLength = Number(row.piece_length);
  const verified = Bitfield.parse(row.verified as Uint8Array, Math.ceil(lengthBytes / pieceLength));
  return { content: contentIdOf(row.content as Uint8Array), lengthBytes, pieceLength, verified };
}

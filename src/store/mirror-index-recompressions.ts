import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import { encodeRecompression, parseRecompression, type Recompression } from "../manifest/recompression.ts";
import type { PackedContent } from "./unpacked-contents.ts";

/** Table `recompressions`: how compressed contents are made again, as far as this mirror was told. */
export class RecompressionRecords {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #get: StatementSync;
  readonly #packed: StatementSync;
  #changeCount = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = database.prepare("INSERT OR REPLACE INTO recompressions(content, inner, line) VALUES (?, ?, ?)");
    this.#get = database.prepare("SELECT line FROM recompressions WHERE content = ?");
    this.#packed = database.prepare(`SELECT r.line AS line, f.content AS content FROM recompressions AS r
      JOIN files AS f ON f.content = r.content WHERE r.inner = ? AND f.verified = 1 LIMIT 1`);
  }

  /** Times that records were written or removed since the index was opened. */
  get changeCount(): number {
    return this.#changeCount;
  }

  put(recompression: Recompression): void {
    this.#changeCount++;
    const { content, inner } = recompression;
    this.#put.run(Buffer.from(content, "hex"), Buffer.from(inner, "hex"), encodeRecompression(recompression));
  }

  get(content: ContentId): Recompression | undefined {
    const row = this.#get.get(Buffer.from(content, "hex"));
    return row === undefined ? undefined : parseRecompression(row.line as string);
  }

  isEmpty(): boolean {
    return this.#database.prepare("SELECT 1 FROM recompressions LIMIT 1").get() === undefined;
  }

  /** A content that a verified file of DEST has and that unpacks to `inner`. */
  packedFor(inner: ContentId): PackedContent | undefined {
    const row = this.#packed.get(Buffer.from(inner, "hex"));
    const recompression = row && parseRecompression(row.line as string);
    if (recompression === undefined) return undefined;
    return { content: contentIdOf(row!.content as Uint8Array), innerLengthBytes: recompression.innerLengthBytes };
  }

  /** Numbers of inner bundles about whose contents nothing is known. */
  unknownBundles(): number[] {
    const rows = this.#database.prepare(`SELECT number FROM bundles WHERE json_extract(line, '$.kind') = 'inner'
      AND NOT EXISTS(SELECT 1 FROM bundle_contents AS b JOIN recompressions AS r ON r.inner = b.content
      WHERE b.bundle = bundles.number)`);
    return rows.all().map((row) => Number(row.number));
  }

  /** Forgets what no bundle has any more. */
  removeOrphans(): void {
    this.#changeCount++;
    this.#database.exec(`DELETE FROM recompressions WHERE NOT EXISTS
      (SELECT 1 FROM bundle_contents AS b WHERE b.content = recompressions.content)`);
  }
}

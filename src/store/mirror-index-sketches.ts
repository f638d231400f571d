import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import { encodeSketch, parseSketch, type Sketch } from "../delta/sketch.ts";

/** Handprints of a sketch that lead to it: contents that share a half are found by one of eight with 0.4 % missed. */
const INDEXED_HANDPRINTS = 8;
/** Contents looked at per handprint: one that so many share (an empty file system's blocks, say) tells little. */
const MOST_PER_HANDPRINT = 64;
/** Sketches that are compared as a whole. */
const MOST_CANDIDATES = 64;
/** Sketches of contents that are gone are swept once the table grew by this much. */
const SWEEP_GROWTH = 1.25;
const IS_GONE = "NOT EXISTS(SELECT 1 FROM files AS f WHERE f.content = s.content)";

/** Tables `sketches` and `handprints`: what is known of the likeness of contents, and which ones share a handprint. */
export class SketchRecords {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #putHandprint: StatementSync;
  readonly #sharing: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#get = database.prepare("SELECT bytes FROM sketches WHERE content = ?");
    this.#put = database.prepare("INSERT OR IGNORE INTO sketches(content, bytes) VALUES (?, ?)");
    this.#putHandprint = database.prepare("INSERT OR IGNORE INTO handprints(handprint, sketch) VALUES (?, ?)");
    this.#sharing =
      database.prepare(`SELECT h.sketch AS sketch FROM handprints AS h JOIN sketches AS s ON s.id = h.sketch
      WHERE h.handprint = ? AND NOT (${IS_GONE}) LIMIT ?`);
  }

  get(content: ContentId): Sketch | undefined {
    const row = this.#get.get(Buffer.from(content, "hex"));
    return row === undefined ? undefined : parseSketch(row.bytes as Uint8Array);
  }

  /** Use a transaction. */
  put(content: ContentId, sketch: Sketch): void {
    const { changes, lastInsertRowid } = this.#put.run(Buffer.from(content, "hex"), encodeSketch(sketch));
    if (changes === 0) return;
    for (const handprint of sketch.slice(0, INDEXED_HANDPRINTS)) this.#putHandprint.run(handprint, lastInsertRowid);
  }

  /**
   * Contents that share a handprint with a sketch, those that share most first. Only such that some file has: what is wanted, or gone,
   * would crowd them out.
   */
  alike(sketch: Sketch, limit: number): { readonly content: ContentId; readonly sketch: Sketch }[] {
    const wanted = new Set(sketch);
    return this.#candidates(sketch)
      .map((found) => ({ ...found, common: found.sketch.filter((handprint) => wanted.has(handprint)).length }))
      .sort((a, b) => b.common - a.common)
      .slice(0, limit)
      .map(({ content, sketch: found }) => ({ content, sketch: found }));
  }

  /** Where few share a handprint it tells more: what many share fills no more of the list than what one has. */
  #candidates(sketch: Sketch): { readonly content: ContentId; readonly sketch: Sketch }[] {
    const weights = new Map<number, number>();
    for (const handprint of sketch) {
      const rows = this.#sharing.all(handprint, MOST_PER_HANDPRINT);
      for (const row of rows) weights.set(Number(row.sketch), (weights.get(Number(row.sketch)) ?? 0) + 1 / rows.length);
    }
    const best = [...weights].sort((a, b) => b[1] - a[1]).slice(0, MOST_CANDIDATES);
    const byId = this.#database.prepare("SELECT content, bytes FROM sketches WHERE id = ?");
    return best.flatMap(([id]) => {
      const row = byId.get(id);
      const found = row === undefined ? undefined : parseSketch(row.bytes as Uint8Array);
      return found === undefined ? [] : [{ content: contentIdOf(row!.content as Uint8Array), sketch: found }];
    });
  }

  count(): number {
    return Number(this.#database.prepare("SELECT count(*) AS n FROM sketches").get()!.n);
  }

  /**
   * Forgets sketches of contents that no file of DEST has, if the table grew by a quarter since it was `lastCount`; use a
   * transaction. @returns how many there are now, to be given the next time
   */
  sweep(lastCount: number): number {
    if (this.count() <= lastCount * SWEEP_GROWTH) return lastCount;
    this.#database.exec(`DELETE FROM handprints WHERE sketch IN (SELECT id FROM sketches AS s WHERE ${IS_GONE});
      DELETE FROM sketches AS s WHERE ${IS_GONE}`);
    return this.count();
  }
}

import { contentIdOf, type ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { PublishIndex } from "./publish-index.ts";
import { hexBlob, pathOf } from "./publish-index-rows.ts";
import type { PackedContent } from "./unpacked-contents.ts";

/** A new compressed content and where it lies first, in tree order. */
export interface NewContentPath {
  readonly contentRow: number;
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly path: RepoPath;
}

/** An inner content that lies in no bundle yet. */
export interface UnplacedInner {
  readonly contentRow: number;
  readonly sha256: Uint8Array;
  readonly lengthBytes: number;
  /** First path of a compressed content that unpacks to it, in tree order. */
  readonly path: Uint8Array;
}

/** Table `recompressions`: how compressed contents are made again from their inner ones, which are rows of `contents` too. */
export class IndexedRecompressions {
  readonly #index: PublishIndex;

  constructor(index: PublishIndex) {
    this.#index = index;
  }

  /** @param line of the file `recompression` */
  add(contentRow: number, innerRow: number, line: string): void {
    this.#index
      .prepare("INSERT OR REPLACE INTO recompressions(content, inner, line) VALUES(?, ?, ?)")
      .run(contentRow, innerRow, line);
  }

  /** Line of the file `recompression`; undefined if nothing is known about the content. */
  lineOf(contentRow: number): string | undefined {
    const row = this.#index.prepare("SELECT line FROM recompressions WHERE content = ?").get(contentRow);
    return row?.line as string | undefined;
  }

  /** A content that is still kept and unpacks to `inner`. */
  packedFor(inner: ContentId): PackedContent | undefined {
    const row = this.#index
      .prepare(
        `SELECT c.sha256 AS sha256, i.size AS size FROM contents i JOIN recompressions r ON r.inner = i.id
        JOIN contents c ON c.id = r.content WHERE i.sha256 = ? ORDER BY c.dropped_release IS NOT NULL, c.id DESC LIMIT 1`,
      )
      .get(hexBlob(inner));
    return row && { content: contentIdOf(row.sha256 as Uint8Array), innerLengthBytes: Number(row.size) };
  }

  /** New contents of the next release from `minBytes` on that nothing is known about, the longest first. */
  newContents(minBytes: number): NewContentPath[] {
    const rows = this.#index.database
      .prepare(`SELECT c.id AS id, c.sha256 AS sha256, c.size AS size, min(p.path) AS path
      FROM pending p JOIN contents c ON c.id = p.content WHERE c.bundle IS NULL AND c.size >= ?
      AND NOT EXISTS(SELECT 1 FROM recompressions r WHERE r.content = c.id) GROUP BY c.id ORDER BY c.size DESC, path`);
    return rows.all(minBytes).map((row) => ({
      contentRow: Number(row.id),
      content: contentIdOf(row.sha256 as Uint8Array),
      lengthBytes: Number(row.size),
      path: pathOf(row.path),
    }));
  }

  /** Inner contents of the next release that lie in no bundle, in tree order; what is a file of the tree is none of them. */
  *unplacedInner(): Generator<UnplacedInner> {
    const rows = this.#index.database
      .prepare(`SELECT i.id AS id, i.sha256 AS sha256, i.size AS size, min(p.path) AS path
      FROM pending p JOIN recompressions r ON r.content = p.content JOIN contents i ON i.id = r.inner
      WHERE i.bundle IS NULL AND NOT EXISTS(SELECT 1 FROM pending q WHERE q.content = i.id)
      AND NOT EXISTS(SELECT 1 FROM entries e WHERE e.content = i.id) GROUP BY i.id ORDER BY path`);
    for (const row of rows.iterate()) {
      const sha256 = row.sha256 as Uint8Array;
      yield { contentRow: Number(row.id), sha256, lengthBytes: Number(row.size), path: row.path as Uint8Array };
    }
  }

  /** What lies in an inner bundle lives as long as a content that unpacks to it, or as a file that has it. */
  followContents(release: number, nowMs: number): void {
    const isInner = `bundle IN (SELECT number FROM bundles WHERE kind = 'inner')`;
    const live = `SELECT r.inner FROM recompressions r JOIN contents c ON c.id = r.content WHERE c.dropped_release IS NULL`;
    this.#index.database.exec(`UPDATE contents SET dropped_release = NULL, dropped_ms = NULL
      WHERE dropped_release IS NOT NULL AND ${isInner} AND id IN (${live})`);
    this.#index
      .prepare(
        `UPDATE contents SET dropped_release = ?, dropped_ms = ? WHERE dropped_release IS NULL AND ${isInner}
        AND id NOT IN (${live}) AND NOT EXISTS(SELECT 1 FROM entries e WHERE e.content = contents.id)`,
      )
      .run(release, nowMs);
  }
}

import type { DatabaseSync } from "node:sqlite";
import { storedSketch, type IndexedFile, type IndexedRelease } from "./indexed-release.ts";
import { byteStringOf } from "./publish-index-rows.ts";
import { ROW_KIND } from "./publish-index-schema.ts";

const FILES = `SELECT e.path AS path, e.size AS size, e.content AS content, s.bytes AS sketch,
  i.size AS inner_size, t.bytes AS inner_sketch
  FROM entries e LEFT JOIN sketches s ON s.content = e.content LEFT JOIN recompressions r ON r.content = e.content
  LEFT JOIN contents i ON i.id = r.inner LEFT JOIN sketches t ON t.content = r.inner
  WHERE e.kind = ${ROW_KIND.file} ORDER BY e.path`;

/** The applied release of a publisher's index; undefined before the first. */
export function publishedRelease(database: DatabaseSync): IndexedRelease | undefined {
  const applied = database.prepare("SELECT value FROM meta WHERE key = 'applied'").get();
  const number = Number(applied?.value ?? 0);
  return number === 0 ? undefined : { number, files: publishedFiles(database) };
}

function* publishedFiles(database: DatabaseSync): Generator<IndexedFile> {
  for (const row of database.prepare(FILES).iterate()) {
    yield {
      path: byteStringOf(row.path),
      sizeBytes: Number(row.size),
      content: String(row.content),
      sketch: storedSketch(row.sketch),
      inner:
        row.inner_size === null
          ? undefined
          : { lengthBytes: Number(row.inner_size), sketch: storedSketch(row.inner_sketch) },
    };
  }
}

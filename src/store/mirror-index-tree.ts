import type { DatabaseSync } from "node:sqlite";
import { parseRecompression } from "../manifest/recompression.ts";
import { storedSketch, type IndexedFile, type IndexedRelease } from "./indexed-release.ts";
import { byteStringOf } from "./publish-index-rows.ts";

const FILES = `SELECT e.path AS path, e.size AS size, e.content AS content, s.bytes AS sketch, r.line AS line
  FROM entries e LEFT JOIN sketches s ON s.content = e.content LEFT JOIN recompressions r ON r.content = e.content
  WHERE e.content IS NOT NULL ORDER BY e.path`;

/**
 * The release that a mirror's index has as the held one, files that a partial mirror leaves out included; undefined before the first.
 * Sketches are those that the mirror had use for; of inner contents it keeps none.
 */
export function mirroredRelease(database: DatabaseSync): IndexedRelease | undefined {
  const held = database.prepare("SELECT value FROM meta WHERE key = 'heldRelease'").get();
  return held === undefined ? undefined : { number: Number(held.value), files: mirroredFiles(database) };
}

function* mirroredFiles(database: DatabaseSync): Generator<IndexedFile> {
  for (const row of database.prepare(FILES).iterate()) {
    const inner = row.line === null ? undefined : parseRecompression(row.line as string);
    yield {
      path: byteStringOf(row.path),
      sizeBytes: Number(row.size),
      content: Buffer.from(row.content as Uint8Array).toString("base64"),
      sketch: storedSketch(row.sketch),
      inner: inner && { lengthBytes: inner.innerLengthBytes, sketch: undefined },
    };
  }
}

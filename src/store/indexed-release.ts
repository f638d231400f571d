import type { SQLOutputValue } from "node:sqlite";
import { parseSketch, type Sketch } from "../delta/sketch.ts";

/** A file of a release and what an index knows of its content. */
export interface IndexedFile {
  /** A byte string. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Names the content within this index. */
  readonly content: string;
  /** Undefined if the index has none. */
  readonly sketch: Sketch | undefined;
  /** What the content unpacks to and can be made again from. */
  readonly inner: { readonly lengthBytes: number; readonly sketch: Sketch | undefined } | undefined;
}

/** A release as an index has it. */
export interface IndexedRelease {
  readonly number: number;
  /** In path order; to be iterated once, while the index is open. */
  readonly files: Iterable<IndexedFile>;
}

/** What a column of sketches holds; undefined for NULL and for a format that is not known. @throws DeltaError `bad-sketch` */
export function storedSketch(value: SQLOutputValue | undefined): Sketch | undefined {
  return value instanceof Uint8Array ? parseSketch(value) : undefined;
}

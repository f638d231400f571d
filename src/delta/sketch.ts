import { DeltaError } from "./errors.ts";

/** Below this a content has no sketch: its basis is found by path and name, and what is missed costs little. */
export const MIN_SKETCHED_LENGTH: number = 256 * 1024;
/** Handprints per sketch; 64 bytes. A share of s of the content is estimated with a standard error of √(s(1−s)/16). */
export const MAX_HANDPRINTS = 16;

/** Longest encoded sketch. */
export const MAX_SKETCH_BYTES: number = 1 + 4 * MAX_HANDPRINTS;

/** The way the handprints are made (docs/protocol.md, "Sketch"); another way gets another number. */
const SKETCH_FORMAT = 1;

/**
 * What a content is made of, in a few bytes: the handprints (SET, NSDI 2007) of its content-defined chunks. The chunks with
 * the smallest ranks are chosen, so that two contents which share chunks choose the same ones.
 *
 * Invariant: at most {@link MAX_HANDPRINTS}, distinct, unsigned 32 bits each, ascending by the rank of their chunks. Empty for
 * a content without a boundary (zeros, say), about which a sketch says nothing.
 */
export type Sketch = readonly number[];

/** True if a content of this many bytes gets a sketch. */
export function isSketched(lengthBytes: number): boolean {
  return lengthBytes >= MIN_SKETCHED_LENGTH;
}

/** 1 byte format, then the handprints in the order of the sketch, 4 bytes each, big-endian. */
export function encodeSketch(sketch: Sketch): Uint8Array {
  const bytes = new Uint8Array(1 + 4 * sketch.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, SKETCH_FORMAT);
  sketch.forEach((handprint, i) => view.setUint32(1 + 4 * i, handprint));
  return bytes;
}

/**
 * Reads what {@link encodeSketch} wrote; undefined for another format, of which nothing can be said.
 * @throws DeltaError `bad-sketch`
 */
export function parseSketch(bytes: Uint8Array): Sketch | undefined {
  if (bytes.length > 0 && bytes[0] !== SKETCH_FORMAT) return undefined;
  const count = (bytes.length - 1) / 4;
  if (!Number.isInteger(count) || count < 0 || count > MAX_HANDPRINTS) {
    const expected = `1 byte and at most ${MAX_HANDPRINTS} handprints of 4`;
    throw new DeltaError("bad-sketch", `a sketch has ${expected}, got ${bytes.length} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sketch = Array.from({ length: count }, (_, i) => view.getUint32(1 + 4 * i));
  if (new Set(sketch).size < count) throw new DeltaError("bad-sketch", "a sketch names a handprint twice");
  return sketch;
}

/** A content as its length and sketch tell. */
export interface SketchedContent {
  readonly lengthBytes: number;
  readonly sketch: Sketch;
}

/**
 * Estimates how many bytes of `target` lie in chunks that `basis` has too; undefined if one of the sketches says nothing. Of
 * two bottom-k samples the share in common estimates |A∩B| / max(|A|, |B|), so that a part of a large image counts as well. A little low on
 * average, since a chunk must be in both samples.
 */
export function estimateSharedBytes(target: SketchedContent, basis: SketchedContent): number | undefined {
  const most = Math.min(target.sketch.length, basis.sketch.length);
  if (most === 0) return undefined;
  const there = new Set(basis.sketch);
  const common = target.sketch.filter((handprint) => there.has(handprint)).length;
  const longer = Math.max(target.lengthBytes, basis.lengthBytes);
  return Math.min(target.lengthBytes, basis.lengthBytes, (common / most) * longer);
}

import type { ChunkReader } from "./chunk-reader.ts";

// RFC 8878, section 3.1. Node's decompressor stops after the first frame; pzstd and `cat a.zst b.zst` write several.

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const DICTIONARY_BYTES = [0, 1, 2, 4];
const RLE_BLOCK = 1;

/** True if a frame with content comes next; skippable ones before it are skipped. False at the end and before what is no frame. */
export async function hasZstdFrame(reader: ChunkReader): Promise<boolean> {
  for (;;) {
    const head = await reader.peek(8);
    if (head.length < 4) return false;
    const magic = head.readUInt32LE(0);
    if (magic === MAGIC) return true;
    if ((magic & 0xfffffff0) !== SKIPPABLE_MAGIC || head.length < 8) return false;
    await reader.skip(8 + head.readUInt32LE(4));
  }
}

/** The bytes of one frame and no more. A frame that is cut off ends early: its decompressor says so. */
export async function* zstdFrame(reader: ChunkReader): AsyncGenerator<Uint8Array> {
  const descriptor = (await reader.peek(5))[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag]!;
  yield await reader.take(5 + (isSingleSegment ? 0 : 1) + DICTIONARY_BYTES[descriptor & 3]! + sizeBytes);
  for (let isLast = false; !isLast;) {
    const header = await reader.take(3);
    yield header;
    if (header.length < 3) return;
    const word = header.readUIntLE(0, 3);
    isLast = (word & 1) === 1;
    yield await reader.take(((word >>> 1) & 3) === RLE_BLOCK ? 1 : word >>> 3);
  }
  if ((descriptor & 4) !== 0) yield await reader.take(4);
}

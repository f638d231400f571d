import type { ByteRange, RangeSet } from "../core/byte-range.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** Longest request that other clients answer (BEP 3). */
export const MAX_REQUEST_BYTES: number = 16 * 1024;
/** What one more request costs on the wire: the request itself (4 + 1 + 12 bytes) and the head of its answer (4 + 1 + 8). */
export const REQUEST_OVERHEAD_BYTES: number = 17 + 13;

/**
 * The requests that bring the missing bytes of one piece: in order, each at most 16 KiB. A gap of bytes that are here
 * already is asked for again where that is cheaper than another request ({@link REQUEST_OVERHEAD_BYTES}), so the
 * requests cover `missing` and hardly more.
 */
export function planBlockRequests(piece: number, missing: RangeSet): BlockRequest[] {
  const requests: BlockRequest[] = [];
  for (const range of mergeCheapGaps(missing)) {
    for (let offset = range.start; offset < range.end; offset += MAX_REQUEST_BYTES) {
      requests.push({ piece, offset, lengthBytes: Math.min(MAX_REQUEST_BYTES, range.end - offset) });
    }
  }
  return requests;
}

function mergeCheapGaps(missing: Iterable<ByteRange>): ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of missing) {
    const previous = merged.at(-1);
    if (previous !== undefined && isMergeCheaper(previous, range)) {
      merged[merged.length - 1] = { start: previous.start, end: range.end };
    } else {
      merged.push(range);
    }
  }
  return merged;
}

/** Bridging may need a request more than it saves when both sides fill whole requests, hence the exact comparison. */
function isMergeCheaper(left: ByteRange, right: ByteRange): boolean {
  const apart = requestCount(left.end - left.start) + requestCount(right.end - right.start);
  const together = requestCount(right.end - left.start);
  return right.start - left.end + together * REQUEST_OVERHEAD_BYTES < apart * REQUEST_OVERHEAD_BYTES;
}

function requestCount(lengthBytes: number): number {
  return Math.ceil(lengthBytes / MAX_REQUEST_BYTES);
}

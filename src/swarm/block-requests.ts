import type { ByteRange, RangeSet } from "../core/byte-range.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** Longest request that other clients answer (BEP 3). */
export const MAX_REQUEST_BYTES: number = 16 * 1024;
/**
 * What one more request costs on the wire, in bytes: the request itself (length, id, index, begin, length: 4 + 1 + 12) and the
 * head of its answer (length, id, index, begin: 4 + 1 + 8), BEP 3. A byte fetched for nothing costs one. TCP and IP take the same
 * share of both (52 bytes of 1,500: requests leave many to a segment) and change nothing; a reject (BEP 6, 17 bytes) is an
 * exception on a link that works. Round trips cost nothing either: requests are pipelined.
 */
export const REQUEST_OVERHEAD_BYTES: number = 17 + 13;
/** Ranges that one run of requests may join: keeps planning linear in their number, whatever a signature makes of them. */
const MAX_JOINED_RANGES = 64;

/**
 * The requests that bring the missing bytes of one piece: in order, each at most 16 KiB. A gap of bytes that are here already is
 * asked for again where that is cheaper than another request ({@link REQUEST_OVERHEAD_BYTES}): of all ways to join neighbours the
 * one that costs the fewest bytes.
 */
export function planBlockRequests(piece: number, missing: RangeSet): BlockRequest[] {
  const requests: BlockRequest[] = [];
  for (const range of joinCheapGaps(missing)) {
    for (let offset = range.start; offset < range.end; offset += MAX_REQUEST_BYTES) {
      requests.push({ piece, offset, lengthBytes: Math.min(MAX_REQUEST_BYTES, range.end - offset) });
    }
  }
  return requests;
}

/** Dynamic programming over where runs of joined ranges end; no gap of the price of a request or more is ever bridged. */
function joinCheapGaps(missing: Iterable<ByteRange>): ByteRange[] {
  const ranges = [...missing];
  if (ranges.length === 1) return ranges;
  /** Cheapest cost of the first i ranges, and the first range of their last run. */
  const costs = [0];
  const firsts: number[] = [];
  for (let last = 0; last < ranges.length; last++) {
    const { end } = ranges[last]!;
    costs.push(Infinity);
    for (let first = last; first >= 0 && last - first < MAX_JOINED_RANGES; first--) {
      const lengthBytes = end - ranges[first]!.start;
      const requests = Math.ceil(lengthBytes / MAX_REQUEST_BYTES);
      const cost = costs[first]! + lengthBytes + requests * REQUEST_OVERHEAD_BYTES;
      if (cost < costs[last + 1]!) [costs[last + 1], firsts[last]] = [cost, first];
      if (first > 0 && ranges[first]!.start - ranges[first - 1]!.end >= REQUEST_OVERHEAD_BYTES) break;
    }
  }
  const runs: ByteRange[] = [];
  for (let last = ranges.length - 1; last >= 0; last = firsts[last]! - 1) {
    runs.push({ start: ranges[firsts[last]!]!.start, end: ranges[last]!.end });
  }
  return runs.reverse();
}

import type { ByteRange } from "../core/byte-range.ts";

/** More ranges than this in one request are answered with the whole content (RFC 9110 §14.2 allows it). */
export const MAX_RANGES = 5;
const MAX_HEADER_LENGTH = 512;
const RANGE_SPEC = /^(\d*)-(\d*)$/;

/** `whole`: answer 200 as if there were no Range. Ranges are satisfiable, disjoint and in the order asked for. */
export type RangeDecision =
  | { readonly kind: "whole" }
  | { readonly kind: "ranges"; readonly ranges: readonly ByteRange[] }
  | { readonly kind: "unsatisfiable" };

const WHOLE: RangeDecision = { kind: "whole" };

/**
 * Reads a `Range` header (RFC 9110 §14.1.2, §14.2). Whatever is malformed, in another unit, too many or overlapping is
 * ignored as the RFC has it, so that an answer never costs more than the content itself.
 */
export function parseRangeHeader(header: string | undefined, lengthBytes: number): RangeDecision {
  if (header === undefined || header.length > MAX_HEADER_LENGTH) return WHOLE;
  const unit = header.indexOf("=");
  if (unit < 0 || header.slice(0, unit).trim().toLowerCase() !== "bytes") return WHOLE;
  const specs = header.slice(unit + 1).split(",");
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = parseSpec(spec.trim(), lengthBytes);
    if (range === "malformed") return WHOLE;
    if (range !== "unsatisfiable") ranges.push(range);
  }
  if (ranges.length === 0) return { kind: "unsatisfiable" };
  return specs.length > MAX_RANGES || overlap(ranges) ? WHOLE : { kind: "ranges", ranges };
}

function parseSpec(spec: string, lengthBytes: number): ByteRange | "malformed" | "unsatisfiable" {
  const match = RANGE_SPEC.exec(spec);
  if (match === null) return "malformed";
  const [, first, last] = match;
  if (first === "" && last === "") return "malformed";
  if (first === "") {
    // The last N bytes. Beyond 2^53 the number is rounded, which "all of it" does not mind.
    const suffix = Math.min(Number(last), lengthBytes);
    return suffix === 0 ? "unsatisfiable" : { start: lengthBytes - suffix, end: lengthBytes };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "malformed";
  if (start >= lengthBytes) return "unsatisfiable";
  return { start, end: last === "" ? lengthBytes : Math.min(Number(last) + 1, lengthBytes) };
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  return sorted.some((range, index) => index > 0 && range.start < sorted[index - 1]!.end);
}

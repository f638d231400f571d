import { MAX_LINE_BYTES } from "./log-block.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Gives each line that is not empty as a range without its end; the last may lack its end. @returns lines that were too long, and skipped */
export function eachLine(bytes: Uint8Array, lengthBytes: number, take: (from: number, to: number) => void): number {
  let tooLong = 0;
  for (let from = 0; from < lengthBytes;) {
    const found = bytes.indexOf(LINE_FEED, from);
    const next = found < 0 || found >= lengthBytes ? lengthBytes : found;
    const end = next > from && bytes[next - 1] === CARRIAGE_RETURN ? next - 1 : next;
    if (next - from > MAX_LINE_BYTES) tooLong++;
    else if (end > from) take(from, end);
    from = next + 1;
  }
  return tooLong;
}

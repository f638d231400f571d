import { eachLine } from "./each-line.ts";
import { emptyLogLine } from "./log-line.ts";
import { parseLogLine } from "./parse-log-line.ts";

/** The time of the first line that has one, in seconds since 1970; undefined if none has. */
export function firstLogTime(chunk: Uint8Array): number | undefined {
  const line = emptyLogLine();
  let first: number | undefined;
  eachLine(chunk, chunk.length, (from, to) => {
    if (first === undefined && parseLogLine(chunk, [from, to], line) !== "malformed") first = line.timeSeconds;
  });
  return first;
}

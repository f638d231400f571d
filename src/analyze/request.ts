import { mixBits } from "./byte-hash.ts";
import type { FileKind } from "./file-kind.ts";

/** What the reports see of a download: GET answered with 200, 206, 302 or 307, or a file sent by rsync. One object, filled again. */
export interface Request {
  timeSeconds: number;
  /** 64 bits of the file's path. */
  fileFirst: number;
  fileSecond: number;
  kind: FileKind;
  /** 32 bits each. */
  client: number;
  network: number;
  /** Of the answer; 0 for a redirect. */
  bytes: number;
}

/** 32 bits that name a file beside a client or a network; of 10^5 files one or two share theirs. */
export function fileMark(first: number, second: number): number {
  return (first ^ mixBits(second)) >>> 0;
}

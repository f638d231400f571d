import { promisify } from "node:util";
import { constants, deflateRaw } from "node:zlib";
import type { DeflateSettings } from "./deflate-stream.ts";

const deflateAll = promisify(deflateRaw) as (
  bytes: Uint8Array,
  options: DeflateSettings & { readonly finishFlush: number },
) => Promise<Buffer>;

const LEVELS = [9, 6, 1, 8, 7, 5, 4, 3, 2] as const;
/** zlib's default, and its most, which some set for "best". */
const MEMORY_LEVELS = [8, 9] as const;
const XFL_SLOWEST = 2;
const XFL_FASTEST = 4;
const DEFAULT_LEVEL = 6;

/** A first look at so much refutes nearly every wrong candidate, for a tenth of the cost of the whole prefix. */
const FIRST_LOOK_BYTES = 128 * 1024;

/** All settings that are tried, the most likely first. @param extraFlags XFL of the member's header, a hint */
export function deflateCandidates(extraFlags: number): DeflateSettings[] {
  const hinted = extraFlags === XFL_SLOWEST ? 9 : extraFlags === XFL_FASTEST ? 1 : DEFAULT_LEVEL;
  const levels = [hinted, ...LEVELS.filter((level) => level !== hinted)];
  return MEMORY_LEVELS.flatMap((memLevel) => levels.map((level) => ({ level, memLevel })));
}

/** The beginning of a deflate stream and of what it unpacks to. */
export interface DeflatePrefix {
  readonly unpacked: Uint8Array;
  /** At least as long as what the unpacked bytes compress to, unless the stream ends here. */
  readonly deflated: Uint8Array;
  /** The unpacked bytes are all there are, so the stream must end with them, too. */
  readonly isWhole: boolean;
}

/** Those candidates that no byte of the prefix refutes, in their order; undefined if the caller's budget ended first. */
export async function plausibleSettings(
  prefix: DeflatePrefix,
  candidates: readonly DeflateSettings[],
  isSpent: () => boolean,
): Promise<DeflateSettings[] | undefined> {
  const plausible: DeflateSettings[] = [];
  const first = { ...prefix, unpacked: prefix.unpacked.subarray(0, FIRST_LOOK_BYTES), isWhole: false };
  for (const settings of candidates) {
    if (isSpent()) return undefined;
    if ((await mayHaveMade(first, settings)) && (await mayHaveMade(prefix, settings))) plausible.push(settings);
  }
  return plausible;
}

/** What deflate gives out before it was told of an end is the beginning of what it gives out for anything longer. */
async function mayHaveMade(prefix: DeflatePrefix, settings: DeflateSettings): Promise<boolean> {
  const finishFlush = prefix.isWhole ? constants.Z_FINISH : constants.Z_NO_FLUSH;
  const made = await deflateAll(prefix.unpacked, { ...settings, finishFlush });
  if (prefix.isWhole && made.length !== prefix.deflated.length) return false;
  return Buffer.compare(made, prefix.deflated.subarray(0, made.length)) === 0;
}

import { deflateCandidates, plausibleSettings, type DeflatePrefix } from "./deflate-settings.ts";
import { deflate, type DeflateSettings } from "./deflate-stream.ts";
import { CodecError } from "./errors.ts";
import { isGzip } from "./gzip-header.ts";
import type { MemberRecipe } from "./gzip-recipe.ts";
import { GzipMember, MAX_GZIP_MEMBERS, type ReadableBytes } from "./gunzip.ts";

export interface RecipeLimits {
  /** Of what the file unpacks to. */
  readonly maxInnerBytes: number;
  /** Asked between steps of at most some tenths of a second: true ends the search. */
  readonly isSpent: () => boolean;
}

/** `not-reproduced`: no settings that are tried give these bytes; `spent`: the caller's budget ended first. */
export type NoRecipe = "not-gzip" | "damaged" | "too-long" | "too-many-members" | "not-reproduced" | "spent";

export type RecipeOutcome =
  | { readonly found: true; readonly members: readonly MemberRecipe[]; readonly innerLengthBytes: number }
  | { readonly found: false; readonly why: NoRecipe };

/** The settings of a member are looked for in so many bytes of what it unpacks to. */
const PROBE_BYTES = 1024 * 1024;
/** What does not compress grows by 5 bytes per block. */
const PROBE_SLACK_BYTES = 64 * 1024;
/** Settings that differ only far behind the probe are rare: more tries than these are not worth their time. */
const MAX_WHOLE_TRIES = 3;
const MAGIC_BYTES = 10;

/**
 * Finds out how a gzip file is made again bit for bit from what it unpacks to. Each member's beginning is tried with every
 * candidate, the whole only where that fits; whatever does not fit ends at the first wrong byte.
 * @throws errors of reading
 */
export async function findGzipRecipe(file: ReadableBytes, limits: RecipeLimits): Promise<RecipeOutcome> {
  if (!isGzip(await file.read(0, MAGIC_BYTES))) return { found: false, why: "not-gzip" };
  const members: MemberRecipe[] = [];
  let innerLengthBytes = 0;
  try {
    for (let start = 0; start < file.lengthBytes;) {
      if (members.length === MAX_GZIP_MEMBERS) return { found: false, why: "too-many-members" };
      if (limits.isSpent()) return { found: false, why: "spent" };
      const maxInnerBytes = limits.maxInnerBytes - innerLengthBytes;
      const member = await findMember(file, start, { ...limits, maxInnerBytes });
      if (typeof member === "string") return { found: false, why: member };
      members.push(member.recipe);
      innerLengthBytes += member.recipe.lengthBytes;
      start = member.end;
    }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return { found: false, why: error.code === "gzip-too-long" ? "too-long" : "damaged" };
  }
  return { found: true, members, innerLengthBytes };
}

interface FoundMember {
  readonly recipe: MemberRecipe;
  readonly end: number;
}

async function findMember(file: ReadableBytes, start: number, limits: RecipeLimits): Promise<FoundMember | NoRecipe> {
  const probed = await GzipMember.open(file, start);
  const prefix = await prefixOf(file, probed, limits.maxInnerBytes);
  const candidates = deflateCandidates(probed.header.extraFlags);
  const plausible = await plausibleSettings(prefix, candidates, limits.isSpent);
  if (plausible === undefined) return "spent";
  if (prefix.isWhole) return plausible[0] === undefined ? "not-reproduced" : foundMember(probed, plausible[0]);
  for (const settings of plausible.slice(0, MAX_WHOLE_TRIES)) {
    if (limits.isSpent()) return "spent";
    const member = await GzipMember.open(file, start);
    const outcome = await isMadeBy(file, member, { settings, limits });
    if (outcome === "spent") return "spent";
    if (outcome === "same") return foundMember(member, settings);
  }
  return "not-reproduced";
}

function foundMember(member: GzipMember, settings: DeflateSettings): FoundMember {
  return { recipe: { header: member.header.bytes, lengthBytes: member.lengthBytes, settings }, end: member.end };
}

async function prefixOf(file: ReadableBytes, member: GzipMember, maxInnerBytes: number): Promise<DeflatePrefix> {
  const parts: Uint8Array[] = [];
  let length = 0;
  let isWhole = true;
  for await (const bytes of member.unpack(maxInnerBytes)) {
    parts.push(bytes);
    length += bytes.length;
    if (length <= PROBE_BYTES) continue;
    isWhole = false;
    break;
  }
  const unpacked = Buffer.concat(parts).subarray(0, isWhole ? length : PROBE_BYTES);
  const deflatedBytes = isWhole ? member.deflateBytes : PROBE_BYTES + PROBE_SLACK_BYTES;
  return { unpacked, deflated: await file.read(member.deflateStart, deflatedBytes), isWhole };
}

/** Unpacks and packs the whole member at once and compares as it goes; holds some hundred kilobytes. */
async function isMadeBy(
  file: ReadableBytes,
  member: GzipMember,
  { settings, limits }: { readonly settings: DeflateSettings; readonly limits: RecipeLimits },
): Promise<"same" | "other" | "spent"> {
  let offset = 0;
  for await (const made of deflate(member.unpack(limits.maxInnerBytes), settings)) {
    const expected = await file.read(member.deflateStart + offset, made.length);
    if (Buffer.compare(made, expected) !== 0) return "other";
    offset += made.length;
    if (limits.isSpent()) return "spent";
  }
  return offset === member.deflateBytes ? "same" : "other";
}

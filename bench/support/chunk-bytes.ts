import { RangeSet } from "../../src/core/byte-range.ts";
import type { BasisFile } from "../../src/delta/find-matches.ts";
import { findMatches } from "../../src/delta/find-matches.ts";
import { KernelMatchSearch } from "../../src/delta/kernel-match-search.ts";
import { SearchKernelCode } from "../../src/delta/search-kernel.ts";
import { SignatureBuilder } from "../../src/delta/signature-builder.ts";
import { parseSignature } from "../../src/delta/signature.ts";
import { loadStrongSum } from "../../src/delta/strong-sum.ts";
import { disseminationFactor, HAVE_BYTES, PIECE_HASH_BYTES } from "../../src/model/piece-cost.ts";
import { readSearchKernel } from "../../src/store/search-kernel-file.ts";
import { planBlockRequests, REQUEST_OVERHEAD_BYTES } from "../../src/swarm/block-requests.ts";
import type { EditedFile } from "./edited-file.ts";

const READ_BYTES = 1024 * 1024;

const strongSum = await loadStrongSum();
const kernel = new SearchKernelCode(readSearchKernel()).instantiate();

/** What one length of signature blocks finds in the basis. */
export interface Reuse {
  readonly targetBytes: number;
  readonly signatureBytes: number;
  /** Target bytes that the basis holds. */
  readonly covered: RangeSet;
}

/** Signs the target, searches the basis as a mirror does. @throws Error if new bytes were "found" */
export function findReuse({ basis, target, newRanges }: EditedFile, blockLength: number): Reuse {
  const signature = signatureOf(target, blockLength);
  const { covered } = findMatches(new KernelMatchSearch(parseSignature(signature, target.length), kernel), [basis]);
  for (const { start, end } of newRanges) {
    if (![...covered.within(start, end)].length) continue;
    throw new Error(`a match with blocks of ${blockLength} bytes covers new bytes at ${start}`);
  }
  return { targetBytes: target.length, signatureBytes: signature.length, covered };
}

function signatureOf(target: BasisFile, blockLength: number): Uint8Array {
  const builder = new SignatureBuilder(target.length, strongSum, { blockLength });
  const buffer = new Uint8Array(READ_BYTES);
  for (let offset = 0; offset < target.length; offset += READ_BYTES) {
    builder.update(buffer.subarray(0, target.read(buffer, offset)));
  }
  return builder.digest();
}

/** What a mirror fetches for one file. Bytes. */
export interface Fetch {
  readonly pieceLength: number;
  /** What it has before it asks the swarm: these bytes of the target are its own. */
  readonly held: RangeSet;
  readonly signatureBytes: number;
  /** SHA-1 of every piece of the file. */
  readonly hashBytes: number;
  /** Content bytes that are asked for. */
  readonly missingBytes: number;
  /** Requests, and the heads of their answers. */
  readonly framingBytes: number;
  readonly totalBytes: number;
  /** Pieces that lack something. */
  readonly openPieces: number;
}

/** A piece that is not wholly there is fetched whole (coupled sizes), or only the bytes that it lacks (split ones). */
export type Cut = "pieces" | "ranges";

export function planFetch({ targetBytes, signatureBytes, covered }: Reuse, pieceLength: number, cut: Cut): Fetch {
  const held = cut === "ranges" ? covered : wholePieces(covered, targetBytes, pieceLength);
  let [missingBytes, requestCount, openPieces] = [0, 0, 0];
  for (let piece = 0; piece * pieceLength < targetBytes; piece++) {
    const requests = planBlockRequests(piece, missingOf(piece, { held, targetBytes, pieceLength }));
    requestCount += requests.length;
    missingBytes += requests.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    if (requests.length > 0) openPieces++;
  }
  const hashBytes = PIECE_HASH_BYTES * Math.ceil(targetBytes / pieceLength);
  const framingBytes = REQUEST_OVERHEAD_BYTES * requestCount;
  const totalBytes = signatureBytes + hashBytes + missingBytes + framingBytes;
  return { pieceLength, held, signatureBytes, hashBytes, missingBytes, framingBytes, totalBytes, openPieces };
}

function wholePieces(covered: RangeSet, targetBytes: number, pieceLength: number): RangeSet {
  const whole = new RangeSet();
  for (let start = 0; start < targetBytes; start += pieceLength) {
    const end = Math.min(targetBytes, start + pieceLength);
    if (covered.covers(start, end)) whole.add(start, end);
  }
  return whole;
}

function missingOf(
  piece: number,
  { held, targetBytes, pieceLength }: { held: RangeSet; targetBytes: number; pieceLength: number },
): RangeSet {
  const start = piece * pieceLength;
  const missing = new RangeSet();
  for (const gap of held.missingIn(start, Math.min(targetBytes, start + pieceLength))) {
    missing.add(gap.start - start, gap.end - start);
  }
  return missing;
}

/** The same model for what a mirror lacks of a file, in bytes of one line: hashes left out, they come before. */
export function modelledLineBytes({ missingBytes, framingBytes, openPieces }: Fetch, mirrors: number): number {
  if (openPieces === 0) return 0;
  const bytes = missingBytes + framingBytes + HAVE_BYTES * (mirrors - 1) * openPieces;
  return bytes * disseminationFactor(openPieces, mirrors);
}

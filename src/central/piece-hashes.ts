import { hash } from "node:crypto";
import type { DescribedPieces } from "../delivery/described-file.ts";
import type { ServedContent } from "../delivery/file-answer.ts";
import { StoreError } from "../store/errors.ts";
import type { PublishedTree } from "./published-tree.ts";

const SHA1_BYTES = 20;
/** 512 MiB in pieces of 64 KiB: a description of 500 kB, made in some 3 ms. */
const MAX_DESCRIBED_PIECES = 8_192;
/** As long as a redirect takes, so many hashes are looked up and written, or so much of the last piece is read and hashed. */
const PIECES_PER_REQUEST = 64;
const BYTES_PER_REQUEST = 65_536;

/**
 * Hashes of the pieces of a file, for who fetches it from several places. The bundle has them; only the last piece, which counts with its padding
 * there, is read. Undefined for a file of one piece, whose own hash says it all, and for one that lies in no bundle, has too many, or is gone.
 *
 * @param charge told before anything is read as how many requests more this counts
 */
export async function pieceHashesOf(
  tree: PublishedTree,
  { content, lengthBytes }: ServedContent,
  charge: (requests: number) => void,
): Promise<DescribedPieces | undefined> {
  const pieceLength = tree.pieceLengthOf(content);
  if (pieceLength === undefined) return undefined;
  const count = Math.ceil(lengthBytes / pieceLength);
  // Before anything is read: most files are small, and some clients ask for metalinks always.
  if (count < 2 || count > MAX_DESCRIBED_PIECES) return undefined;
  const restBytes = lengthBytes % pieceLength;
  charge(Math.ceil(count / PIECES_PER_REQUEST) + Math.ceil(restBytes / BYTES_PER_REQUEST));
  const found = await tree.pieceHashes(content);
  if (found === undefined || found.pieceLength !== pieceLength || found.hashes.length !== count * SHA1_BYTES)
    return undefined;
  if (restBytes === 0) return found;
  const rest = await readAt(tree, content, { start: lengthBytes - restBytes, length: restBytes });
  if (rest === undefined) return undefined;
  const whole = found.hashes.subarray(0, -SHA1_BYTES);
  return { pieceLength, hashes: Buffer.concat([whole, hash("sha1", rest, "buffer")]) };
}

async function readAt(
  tree: PublishedTree,
  content: ServedContent["content"],
  { start, length }: { readonly start: number; readonly length: number },
): Promise<Uint8Array | undefined> {
  await using opened = await tree.openContent(content);
  try {
    return await opened?.read(start, length);
  } catch (error) {
    if (error instanceof StoreError && (error.code === "content-changed" || error.code === "unpack-busy"))
      return undefined;
    throw error;
  }
}

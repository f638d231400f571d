// What the size of a piece costs a swarm, to first order: protocol per byte, and how long pieces take to spread.

/** SHA-1 of a piece (BEP 3). */
export const PIECE_HASH_BYTES = 20;
/** A `have` message (BEP 3). */
export const HAVE_BYTES = 9;
/** A request is 17 bytes, the head of its answer 13 (BEP 3). */
const REQUEST_AND_HEAD_BYTES = 30;
const REQUEST_BYTES: number = 16 * 1024;

/**
 * Bytes of protocol per byte of content, with `mirrors` in the swarm: a request and an answer's head per 16 KiB, a `have` from
 * each of the others, a SHA-1 per piece.
 */
export function pieceOverhead(pieceLength: number, mirrors: number): number {
  const requests = Math.ceil(pieceLength / REQUEST_BYTES);
  const perPiece = REQUEST_AND_HEAD_BYTES * requests + HAVE_BYTES * (mirrors - 1) + PIECE_HASH_BYTES;
  return perPiece / pieceLength;
}

/**
 * Least time to bring M pieces to N mirrors whose lines up equal the origin's (Mundinger, Weber, Weiss, arXiv cs/0606110), in
 * units of the time that one line takes for the bytes: 1 + ⌊log₂ N⌋ / M.
 */
export function disseminationFactor(pieces: number, mirrors: number): number {
  return 1 + Math.floor(Math.log2(mirrors)) / pieces;
}

/** The first-order model of piece sizes: time to bring a new file to all, in units of its time on one line. */
export function modelledCost(fileBytes: number, pieceLength: number, mirrors: number): number {
  const pieces = Math.ceil(fileBytes / pieceLength);
  return disseminationFactor(pieces, mirrors) * (1 + pieceOverhead(pieceLength, mirrors));
}

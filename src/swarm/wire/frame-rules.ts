/**
 * What one frame of BEP 3, 6 or 10 may look like, as pure functions of its bytes. A frame is the 4-byte big-endian body
 * length, then the body: message id and payload. Length 0 is a keep-alive.
 */

/** Message ids of BEP 3, 6 and 10. */
export const MESSAGE = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  uninterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
} as const;

/** Longest block of a request: what BEP 3 clients agree on. */
export const MAX_BLOCK_BYTES: number = 16 * 1024;
/** Body of the first extended handshake; real ones have some hundred bytes. */
export const MAX_EXTENDED_HANDSHAKE_BYTES: number = 64 * 1024;
/** Body of any other extended message: a BEP 9 block of 16 KiB, its dictionary, and room. */
export const MAX_EXTENDED_BYTES: number = 20 * 1024;
/** Body of a message whose id nobody knows; it is read and dropped. */
export const MAX_UNKNOWN_BYTES: number = 20 * 1024;

/** The numbers of a bundle that decide what is in range; all pieces have the full length. */
export interface PieceGeometry {
  readonly pieceCount: number;
  readonly pieceLength: number;
}

/**
 * - `not-bittorrent`: no BEP 3 handshake
 * - `frame-length`: a length that its message cannot have
 * - `frame-range`: an index, offset or length outside the bundle, or spare bits
 * - `early-frame`: more than handshakes before the peer was admitted
 * - `held-twice`: a volunteer's bitfield, have-all or have-none after something of that sort
 * - `no-fast`: a message of BEP 6 that was not agreed on
 * - `bad-extended`: an extended message that is not what its name says
 * - `flood`: too many frames that are legal one by one
 */
export type WireRefusalReason =
  | "not-bittorrent"
  | "frame-length"
  | "frame-range"
  | "early-frame"
  | "held-twice"
  | "no-fast"
  | "bad-extended"
  | "flood";

/** Why a connection ends; it costs the peer this connection and nothing else. */
export interface WireRefusal {
  readonly reason: WireRefusalReason;
  readonly detail: string;
}

export function refusal(reason: WireRefusalReason, detail: string): WireRefusal {
  return { reason, detail };
}

/** Body length that a message must have, where that is one number. */
const EXACT_LENGTH: ReadonlyMap<number, number> = new Map([
  [MESSAGE.choke, 1],
  [MESSAGE.unchoke, 1],
  [MESSAGE.interested, 1],
  [MESSAGE.uninterested, 1],
  [MESSAGE.have, 5],
  [MESSAGE.request, 13],
  [MESSAGE.cancel, 13],
  [MESSAGE.port, 3],
  [MESSAGE.suggest, 5],
  [MESSAGE.haveAll, 1],
  [MESSAGE.haveNone, 1],
  [MESSAGE.reject, 13],
  [MESSAGE.allowedFast, 5],
]);

/** Longest body of any message, so that a length prefix can be refused before the id is there. */
export function longestBody(geometry: PieceGeometry): number {
  return Math.max(MAX_EXTENDED_HANDSHAKE_BYTES, 1 + Math.ceil(geometry.pieceCount / 8));
}

/**
 * Judges a length prefix and id before any byte of the body is kept.
 *
 * @param length of the body, at least 1
 * @param maxExtendedBytes what an extended message may have at this moment
 */
export function refuseLength(
  id: number,
  length: number,
  limits: { readonly geometry: PieceGeometry; readonly maxExtendedBytes: number },
): WireRefusal | undefined {
  const { least, most } = bodyLengths(id, limits.geometry, limits.maxExtendedBytes);
  if (length >= least && length <= most) return undefined;
  const expected = least === most ? `${least}` : `${least}…${most}`;
  return refusal("frame-length", `message ${id}: expected a body of ${expected} bytes, got ${length}`);
}

function bodyLengths(
  id: number,
  geometry: PieceGeometry,
  maxExtendedBytes: number,
): { readonly least: number; readonly most: number } {
  const exact = id === MESSAGE.bitfield ? 1 + Math.ceil(geometry.pieceCount / 8) : EXACT_LENGTH.get(id);
  if (exact !== undefined) return { least: exact, most: exact };
  if (id === MESSAGE.piece) return { least: 10, most: 9 + MAX_BLOCK_BYTES };
  if (id === MESSAGE.extended) return { least: 2, most: maxExtendedBytes };
  return { least: 1, most: MAX_UNKNOWN_BYTES };
}

/** Judges the numbers in a whole frame of legal length; extended messages have their own rules. */
export function refuseBody(frame: Uint8Array, geometry: PieceGeometry): WireRefusal | undefined {
  switch (frame[4]) {
    case MESSAGE.have:
    case MESSAGE.suggest:
    case MESSAGE.allowedFast:
      return refusePiece(frame, geometry);
    case MESSAGE.bitfield:
      return refuseSpareBits(frame, geometry);
    case MESSAGE.request:
    case MESSAGE.cancel:
    case MESSAGE.reject:
      return refuseBlock(frame, uint32(frame, 13), geometry);
    case MESSAGE.piece:
      return refuseBlock(frame, frame.length - 13, geometry);
    default:
      return undefined;
  }
}

function refusePiece(frame: Uint8Array, geometry: PieceGeometry): WireRefusal | undefined {
  const piece = uint32(frame, 5);
  if (piece < geometry.pieceCount) return undefined;
  return refusal("frame-range", `message ${frame[4]}: piece ${piece} of ${geometry.pieceCount}`);
}

function refuseBlock(frame: Uint8Array, length: number, geometry: PieceGeometry): WireRefusal | undefined {
  const offset = uint32(frame, 9);
  if (length >= 1 && length <= MAX_BLOCK_BYTES && offset + length <= geometry.pieceLength) {
    return refusePiece(frame, geometry);
  }
  return refusal("frame-range", `message ${frame[4]}: ${length} bytes at ${offset} of a piece`);
}

function refuseSpareBits(frame: Uint8Array, { pieceCount }: PieceGeometry): WireRefusal | undefined {
  const used = pieceCount % 8;
  if (used === 0 || (frame[frame.length - 1]! & (0xff >> used)) === 0) return undefined;
  return refusal("frame-range", `bitfield of ${pieceCount} pieces has spare bits set`);
}

/** Unsigned big-endian; bit operations alone would be signed. */
export function uint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 2 ** 24 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

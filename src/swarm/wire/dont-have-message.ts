/** Extended message `lt_donthave` (BEP 54): a piece that was announced is no longer held; its index, big-endian. */
const DONT_HAVE_BYTES = 4;

export function encodeDontHave(piece: number): Uint8Array {
  const payload = Buffer.alloc(DONT_HAVE_BYTES);
  payload.writeUInt32BE(piece);
  return payload;
}

/** Undefined unless it names one of the pieces. */
export function parseDontHave(payload: Uint8Array, pieceCount: number): number | undefined {
  if (payload.length !== DONT_HAVE_BYTES) return undefined;
  const piece = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  return piece < pieceCount ? piece : undefined;
}

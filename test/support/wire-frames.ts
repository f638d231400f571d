/** Builders of BEP 3, 6 and 10 frames, legal or not; independent of the code under test. */

export function uint32Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Length prefix, id, then numbers as 32 bits and bytes as they are. */
export function frame(id: number, ...parts: readonly (number | Uint8Array)[]): Buffer {
  const payload = parts.map((part) => (typeof part === "number" ? uint32Bytes(part) : part));
  const body = Buffer.concat([Buffer.of(id), ...payload]);
  return Buffer.concat([uint32Bytes(body.length), body]);
}

/** Only the first five bytes of a frame: what a peer that lies about its length sends. */
export function prefix(length: number, id: number): Buffer {
  return Buffer.concat([uint32Bytes(length), Buffer.of(id)]);
}

export function extendedFrame(extension: number, payload: string | Uint8Array): Buffer {
  return frame(20, Buffer.of(extension), typeof payload === "string" ? Buffer.from(payload, "latin1") : payload);
}

export interface HandshakeParts {
  readonly infoHash: string;
  readonly peerId: string;
  readonly isFast: boolean;
  readonly isExtended: boolean;
}

export function handshakeBytes({ infoHash, peerId, isFast, isExtended }: HandshakeParts): Buffer {
  const reserved = Buffer.alloc(8);
  if (isExtended) reserved[5]! |= 0x10;
  if (isFast) reserved[7]! |= 0x04;
  const name = Buffer.from("\x13BitTorrent protocol", "latin1");
  return Buffer.concat([name, reserved, Buffer.from(infoHash, "hex"), Buffer.from(peerId, "hex")]);
}

export function repeat(bytes: Uint8Array, count: number): Buffer {
  return Buffer.concat(new Array<Uint8Array>(count).fill(bytes));
}

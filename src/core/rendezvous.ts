/** FNV-1a over the UTF-16 code units of a text: 32 bits. */
export function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** Ids are hashes already, in hex: their first 32 bits. */
export function hashOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16) >>> 0;
}

/** Spreads (hash, number) over 32 bits: the finaliser of MurmurHash3. Whoever has the lowest is chosen (rendezvous hashing). */
export function mixedHash(hash: number, number: number): number {
  let value = (hash ^ Math.imul(number + 1, 0x9e3779b1)) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

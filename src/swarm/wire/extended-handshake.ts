import { decodeBencode, type BencodeDictionary, type BencodeValue } from "../../codec/bencode.ts";
import { CodecError } from "../../codec/errors.ts";
import { SwarmError } from "../errors.ts";

/** Extension ids that this program asks its peers to use (docs/protocol.md, "Peers"). */
export const PRSYNC_EXTENSION = 1;
export const METADATA_EXTENSION = 2;
export const DONT_HAVE_EXTENSION = 3;

export const NONCE_BYTES = 32;

/** What matters in a BEP 10 handshake. */
export interface ExtendedHandshake {
  /** Extension name → the id that its messages must carry towards this peer; disabled ones (id 0) are left out. */
  readonly extensionIds: ReadonlyMap<string, number>;
  /** Length of the info dictionary, BEP 9. */
  readonly metadataSizeBytes: number | undefined;
  /** 32 bytes; undefined for a stock client. */
  readonly nonce: Uint8Array | undefined;
}

/** Real handshakes have 10 to 60 values, two levels deep. */
const LIMITS = { maxDepth: 6, maxTokens: 1024 };
const MAX_EXTENSIONS = 64;
/** Twice the longest .torrent that is worth making. */
const MAX_METADATA_BYTES: number = 64 * 2 ** 20;
const PRINTABLE_ASCII = /^[ -~]*$/;

/**
 * Reads the payload of extended message 0. Stricter than BEP 10 wherever the wire library's own reading of the same
 * bytes could differ or fail: keys are printable ASCII, none is `__proto__`, `m` holds small integers only.
 *
 * @throws SwarmError `bad-wire-message`
 */
export function parseExtendedHandshake(payload: Uint8Array): ExtendedHandshake {
  const fields = decodeDictionary(payload);
  refuseOddKeys(fields);
  return {
    extensionIds: parseExtensionIds(fields.get("m")),
    metadataSizeBytes: parseMetadataSize(fields.get("metadata_size")),
    nonce: parseNonce(fields.get("prsync")),
  };
}

/** @throws SwarmError `bad-wire-message` unless canonical bencode of a dictionary */
export function decodeDictionary(payload: Uint8Array): BencodeDictionary {
  let value: BencodeValue;
  try {
    value = decodeBencode(payload, LIMITS);
  } catch (error) {
    if (error instanceof CodecError) throw malformed(error.message);
    throw error;
  }
  if (!(value instanceof Map)) throw malformed("expected a dictionary");
  return value;
}

export function malformed(problem: string): SwarmError {
  return new SwarmError("bad-wire-message", `extended message: ${problem}`);
}

function refuseOddKeys(value: BencodeValue): void {
  if (Array.isArray(value)) value.forEach(refuseOddKeys);
  if (!(value instanceof Map)) return;
  for (const [key, inner] of value) {
    if (key === "__proto__" || !PRINTABLE_ASCII.test(key)) throw malformed(`key ${JSON.stringify(key)}`);
    refuseOddKeys(inner);
  }
}

function parseExtensionIds(value: BencodeValue | undefined): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  if (value === undefined) return ids;
  if (!(value instanceof Map)) throw malformed("m is no dictionary");
  if (value.size > MAX_EXTENSIONS) throw malformed(`${value.size} extensions`);
  for (const [name, id] of value) {
    if (typeof id !== "number" || id < 0 || id > 255) throw malformed(`extension ${name} has no id from 0 to 255`);
    if (id !== 0) ids.set(name, id);
  }
  return ids;
}

function parseMetadataSize(value: BencodeValue | undefined): number | undefined {
  if (value === undefined || value === 0) return undefined; // libtorrent sends 0 while it lacks the metadata
  if (typeof value === "number" && value > 0 && value <= MAX_METADATA_BYTES) return value;
  throw malformed("metadata_size out of range");
}

function parseNonce(value: BencodeValue | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined;
  const nonce = value instanceof Map ? value.get("nonce") : undefined;
  if (nonce instanceof Uint8Array && nonce.length === NONCE_BYTES) return nonce;
  throw malformed(`prsync has no nonce of ${NONCE_BYTES} bytes`);
}

import { decodeBencodePrefix, encodeBencode, type BencodeValue } from "../../codec/bencode.ts";
import { CodecError } from "../../codec/errors.ts";
import { malformed } from "./extended-handshake.ts";
import { MAX_BLOCK_BYTES } from "./frame-rules.ts";

/** Extended message `ut_metadata` (BEP 9): the info dictionary in blocks of 16 KiB. */
export type MetadataMessage =
  | { readonly kind: "request"; readonly index: number }
  | { readonly kind: "block"; readonly index: number; readonly totalBytes: number; readonly bytes: Uint8Array }
  | { readonly kind: "reject"; readonly index: number };

const MSG_TYPE = { request: 0, block: 1, reject: 2 } as const;
const LIMITS = { maxDepth: 3, maxTokens: 64 };
/** 64 MiB of metadata. */
const MAX_INDEX = 4096;

export function encodeMetadataMessage(message: MetadataMessage): Uint8Array {
  const fields = new Map<string, BencodeValue>([
    ["msg_type", MSG_TYPE[message.kind]],
    ["piece", message.index],
  ]);
  if (message.kind !== "block") return encodeBencode(fields);
  fields.set("total_size", message.totalBytes);
  return Buffer.concat([encodeBencode(fields), message.bytes]);
}

/**
 * Undefined for a `msg_type` that BEP 9 leaves to the future.
 *
 * @throws SwarmError `bad-wire-message`
 */
export function parseMetadataMessage(payload: Uint8Array): MetadataMessage | undefined {
  const { fields, rest } = splitDictionary(payload);
  const type = fields.get("msg_type");
  const index = fields.get("piece");
  if (typeof type !== "number" || type < 0) throw malformed("ut_metadata without msg_type");
  if (type > MSG_TYPE.reject) return undefined;
  if (typeof index !== "number" || index < 0 || index >= MAX_INDEX) throw malformed("ut_metadata without a piece");
  if (type === MSG_TYPE.block) return parseBlock(index, fields.get("total_size"), rest);
  if (rest.length !== 0) throw malformed("ut_metadata with bytes after its dictionary");
  return { kind: type === MSG_TYPE.request ? "request" : "reject", index };
}

function parseBlock(index: number, totalBytes: BencodeValue | undefined, bytes: Uint8Array): MetadataMessage {
  if (typeof totalBytes !== "number" || totalBytes <= index * MAX_BLOCK_BYTES) throw malformed("metadata total_size");
  const expected = Math.min(MAX_BLOCK_BYTES, totalBytes - index * MAX_BLOCK_BYTES);
  if (bytes.length !== expected) throw malformed(`metadata block of ${bytes.length} bytes, expected ${expected}`);
  return { kind: "block", index, totalBytes, bytes };
}

function splitDictionary(payload: Uint8Array): { fields: Map<string, BencodeValue>; rest: Uint8Array } {
  try {
    const { value, end } = decodeBencodePrefix(payload, LIMITS);
    if (value instanceof Map) return { fields: value, rest: payload.subarray(end) };
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw malformed(error.message);
  }
  throw malformed("expected a dictionary");
}

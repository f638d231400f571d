import { encodeBencode } from "../../codec/bencode.ts";
import { decodeDictionary, malformed } from "./extended-handshake.ts";

/** Extended message `prsync`: who the sender is, and that it is so now and here (docs/protocol.md, "Peers"). */
export interface PassMessage {
  readonly pass: string;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

const SIGNATURE_BYTES = 64;
/** A pass has about 350 bytes. */
const MAX_PASS_BYTES = 4096;
/** base64url, a full stop, base64url. */
const PASS_TEXT = /^[\w.-]+$/;

export function encodePassMessage(message: PassMessage): Uint8Array {
  return encodeBencode(
    new Map([
      ["pass", Buffer.from(message.pass, "latin1")],
      ["sig", message.signature],
    ]),
  );
}

/** @throws SwarmError `bad-wire-message` */
export function parsePassMessage(payload: Uint8Array): PassMessage {
  const fields = decodeDictionary(payload);
  const pass = fields.get("pass");
  const signature = fields.get("sig");
  if (!(pass instanceof Uint8Array) || pass.length > MAX_PASS_BYTES) throw malformed("no pass of sensible length");
  if (!(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) throw malformed("no signature");
  const text = Buffer.from(pass).toString("latin1");
  if (!PASS_TEXT.test(text)) throw malformed("the pass is not base64url");
  return { pass: text, signature };
}

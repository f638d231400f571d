import { jsonText, type JsonFields } from "../codec/canonical-json.ts";
import { CodecError } from "../codec/errors.ts";
import { textOfByteString } from "../core/repo-path.ts";

// eslint-disable-next-line no-control-regex -- ASCII is exactly this range
const ASCII = /^[\x00-\x7f]*$/;

/** `"key":"text"`, or `"keyBase64":"…"` for bytes that are not UTF-8 (docs/protocol.md, "Names"). */
export function encodeByteStringField(key: string, byteString: string): string {
  const text = ASCII.test(byteString) ? byteString : textOfByteString(byteString);
  if (text !== undefined) return `"${key}":${jsonText(text)}`;
  return `"${key}Base64":"${Buffer.from(byteString, "latin1").toString("base64")}"`;
}

/**
 * The byte string under `key` or `keyBase64`; undefined if both are absent. That the right one of the two was used, in
 * its canonical form, is seen when the line is encoded again.
 *
 * @throws CodecError `bad-json` if it is no string
 */
export function readByteStringField(fields: JsonFields, key: string): string | undefined {
  const text = fields.get(key);
  if (typeof text === "string") return ASCII.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
  const base64 = fields.get(`${key}Base64`);
  if (text === undefined && base64 === undefined) return undefined;
  if (text !== undefined || typeof base64 !== "string") throw new CodecError("bad-json", `expected text as "${key}"`);
  return Buffer.from(base64, "base64").toString("latin1");
}

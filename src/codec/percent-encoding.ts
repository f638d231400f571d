/**
 * Percent-decodes once into a byte string (one UTF-16 unit per byte), as request paths and BEP 3's `info_hash` need it;
 * "+" stays "+". Undefined for a broken escape or a unit above 255.
 */
export function percentDecodeBytes(text: string): string | undefined {
  if (!text.includes("%")) return isByteString(text) ? text : undefined;
  let decoded = "";
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0xff) return undefined;
    if (unit !== 0x25) {
      decoded += text[at];
      continue;
    }
    const high = hexValue(text.charCodeAt(at + 1));
    const low = hexValue(text.charCodeAt(at + 2));
    if (high < 0 || low < 0) return undefined;
    decoded += String.fromCharCode(high * 16 + low);
    at += 2;
  }
  return decoded;
}

/** Percent-encodes all but RFC 3986's unreserved characters of a byte string: safe in a URL part, a header and HTML. */
export function percentEncodeBytes(bytes: string): string {
  return bytes.replace(
    /[^A-Za-z0-9\-._~]/g,
    (unit) => `%${unit.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** Percent-encodes of a path, a byte string, what can't stand in a URL's path (RFC 3986, 3.3); slashes stay. */
export function percentEncodePath(path: string): string {
  return path
    .split(/([A-Za-z0-9\-._~!$&'()*+,;=:@/]+)/)
    .map((part, place) => (place % 2 === 0 ? percentEncodeBytes(part) : part))
    .join("");
}

function isByteString(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return false;
  return true;
}

/** −1 if it is no hex digit (NaN past the end of the text is none). */
function hexValue(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** A JSON object from outside. Fields are read one by one through {@link ownField}, never by a bare look-up. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The object in `text`, or undefined if it is no JSON or no plain object. */
export function parseJsonObject(text: string): JsonObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isJsonObject(value) ? value : undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Undefined for what the object inherits: "constructor" and "__proto__" are ordinary names here. */
export function ownField(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Bytes of unpadded base64url in its only canonical spelling, else undefined. */
export function parseBase64Url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? new Uint8Array(bytes) : undefined;
}

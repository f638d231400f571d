import { CoreError } from "./errors.ts";

/** Identity of a content: the SHA-256 of its bytes, 64 lower-case hex digits. Many entries may share one. */
export type ContentId = string & { readonly brand: "ContentId" };

/** The content of every empty file; it lies in no bundle and is never transferred. */
export const EMPTY_CONTENT: ContentId = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" as ContentId;

const SHA256_HEX = /^[0-9a-f]{64}$/;

/** @throws CoreError `bad-content-id` unless `text` is 64 lower-case hex digits */
export function parseContentId(text: unknown): ContentId {
  if (typeof text === "string" && SHA256_HEX.test(text)) return text as ContentId;
  throw new CoreError("bad-content-id", `expected a SHA-256 of 64 lower-case hex digits, got ${JSON.stringify(text)}`);
}

/** @param digest 32 bytes */
export function contentIdOf(digest: Uint8Array): ContentId {
  if (digest.length !== 32) throw new CoreError("bad-content-id", `expected 32 bytes, got ${digest.length}`);
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex") as ContentId;
}

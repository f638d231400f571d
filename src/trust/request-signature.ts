import { createHash } from "node:crypto";
import { type SigningKey, verifyBase64Signature } from "./signing-key.ts";

/** What a volunteer signs of a request (docs/protocol.md, "Signed requests of volunteers"). */
export interface SignedRequest {
  /** Upper case. */
  readonly method: string;
  /** Path with query exactly as it stands in the request line. */
  readonly target: string;
  /** Safe integer > 0, greater than every earlier one of this volunteer. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

export const VOLUNTEER_HEADER = "prsync-volunteer";
export const SEQUENCE_HEADER = "prsync-sequence";
export const SIGNATURE_HEADER = "prsync-signature";

/** The text under the signature. */
export function requestText(request: SignedRequest): string {
  const bodyHash = createHash("sha256").update(request.body).digest("hex");
  return `prsync-request-v1\n${request.method}\n${request.target}\n${request.sequence}\n${bodyHash}`;
}

/** Base64 of 64 bytes. */
export function signRequest(key: SigningKey, request: SignedRequest): string {
  return key.signToBase64(Buffer.from(requestText(request)));
}

export function verifyRequest(publicKey: Uint8Array, request: SignedRequest, signature: unknown): boolean {
  return verifyBase64Signature(publicKey, Buffer.from(requestText(request)), signature);
}

/** The number in a sequence header, undefined unless it is 1 … 2^53 − 1 in plain decimal. */
export function parseSequence(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^[1-9]\d{0,15}$/.test(text)) return undefined;
  const sequence = Number(text);
  return Number.isSafeInteger(sequence) ? sequence : undefined;
}

/** What the volunteer signs next: rises even if its clock went back. */
export function nextSequence(last: number, wallMs: number): number {
  return Math.max(last + 1, Math.floor(wallMs));
}

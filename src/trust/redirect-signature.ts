import { type SigningKey, verifySignature } from "./signing-key.ts";

/** What central vouches for when it sends a customer to a volunteer (docs/protocol.md, "Signed redirects"). */
export interface SignedRedirect {
  readonly repository: string;
  /** Who may serve it: id, 40 hex digits. */
  readonly volunteer: string;
  /** Content id. */
  readonly content: string;
}

const UNTIL = /^[1-9]\d{0,10}$/;
/** 64 bytes in base64url. */
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;

/** The end of a redirect's query: until when it counts, and central's signature. @param untilSeconds since 1970 */
export function signedQuery(passSigner: SigningKey, redirect: SignedRedirect, untilSeconds: number): string {
  const signature = passSigner.sign(signedBytes(redirect, String(untilSeconds)));
  return `until=${untilSeconds}&signature=${Buffer.from(signature).toString("base64url")}`;
}

/**
 * Whether central sent a customer with these query parameters, and lately. False for anything that is not exactly right.
 *
 * @param passKey 32 raw bytes, from the trusted release
 */
export function verifySignedQuery(
  passKey: Uint8Array,
  redirect: SignedRedirect,
  query: { readonly until: string | undefined; readonly signature: string | undefined; readonly nowMs: number },
): boolean {
  const { until = "", signature = "", nowMs } = query;
  if (!UNTIL.test(until) || !SIGNATURE.test(signature) || Number(until) * 1000 < nowMs) return false;
  return verifySignature(passKey, signedBytes(redirect, until), Buffer.from(signature, "base64url"));
}

function signedBytes({ repository, volunteer, content }: SignedRedirect, until: string): Uint8Array {
  return Buffer.from(`prsync-redirect-v1\n${repository}\n${volunteer}\n${content}\n${until}`);
}

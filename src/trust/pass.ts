import { TrustError } from "./errors.ts";
import { type JsonObject, ownField, parseBase64Url, parseJsonObject } from "./json-fields.ts";
import { type SigningKey, parsePublicKey, verifySignature, volunteerIdOf } from "./signing-key.ts";
import { isRepositoryId, isSiteName } from "./ticket.ts";
import { formatUtc, parseUtc } from "./utc-time.ts";

/** Proves an admitted volunteer, or the origin, to its peers (docs/protocol.md, "Pass"). */
export interface Pass {
  readonly repository: string;
  /** Volunteer id, 40 hex digits. */
  readonly volunteer: string;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
  /** Milliseconds since 1970; whole seconds on the wire. */
  readonly notAfterMs: number;
  /** True for central's own. */
  readonly origin: boolean;
  /** Where the volunteer stands, as central knew when it signed. */
  readonly site: string | undefined;
}

/** Long enough that a week without central stops nobody; renewed with every announce. */
export const PASS_VALIDITY_MS: number = 7 * 24 * 3_600_000;
const MAX_PASS_LENGTH = 2048;

/** What central vouches for; `origin` only for its own key. */
export interface PassHolder {
  readonly repository: string;
  readonly publicKey: Uint8Array;
  readonly origin?: boolean;
  readonly site?: string | undefined;
}

/** @param notAfterMs rounded down to a whole second */
export function issuePass(passSigner: SigningKey, holder: PassHolder, notAfterMs: number): string {
  const payload = JSON.stringify({
    repository: holder.repository,
    volunteer: volunteerIdOf(holder.publicKey),
    publicKey: Buffer.from(holder.publicKey).toString("base64"),
    notAfter: formatUtc(notAfterMs),
    ...(holder.origin === true ? { origin: true } : {}),
    ...(holder.site === undefined ? {} : { site: holder.site }),
  });
  const signature = passSigner.sign(signedBytes(Buffer.from(payload)));
  return `${Buffer.from(payload).toString("base64url")}.${Buffer.from(signature).toString("base64url")}`;
}

/**
 * Reads a pass without believing it: for one's own, to know when it ends. {@link verifyPass} checks.
 *
 * @throws TrustError `bad-pass`
 */
export function parsePass(text: string): Pass {
  return split(text).pass;
}

/**
 * @param passKey 32 raw bytes, from the trusted release
 * @throws TrustError `bad-pass`, `wrong-repository`, `expired-pass`
 */
export function verifyPass(
  text: string,
  passKey: Uint8Array,
  expected: { readonly repository: string; readonly nowMs: number },
): Pass {
  const { pass, payload, signature } = split(text);
  if (!verifySignature(passKey, signedBytes(payload), signature)) fail("expected a signature by the pass key");
  if (pass.repository !== expected.repository) {
    const problem = `pass of ${pass.volunteer}: expected repository ${expected.repository}, got ${pass.repository}`;
    throw new TrustError("wrong-repository", problem);
  }
  if (pass.notAfterMs <= expected.nowMs) {
    throw new TrustError("expired-pass", `pass of ${pass.volunteer} ended at ${formatUtc(pass.notAfterMs)}`);
  }
  return pass;
}

function signedBytes(payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("prsync-pass-v1\n"), payload]);
}

function split(text: string): { readonly pass: Pass; readonly payload: Uint8Array; readonly signature: Uint8Array } {
  if (text.length > MAX_PASS_LENGTH) fail(`expected at most ${MAX_PASS_LENGTH} characters, got ${text.length}`);
  const [payloadText = "", signatureText = "", ...rest] = text.split(".");
  const payload = parseBase64Url(payloadText);
  const signature = parseBase64Url(signatureText);
  if (payload === undefined || signature === undefined || rest.length > 0) fail("expected two parts of base64url");
  const json = parseJsonObject(Buffer.from(payload).toString("utf8"));
  if (json === undefined) fail("expected a JSON object as payload");
  return { pass: passOf(json), payload, signature };
}

function passOf(json: JsonObject): Pass {
  const repository = ownField(json, "repository");
  if (!isRepositoryId(repository)) fail("expected 32 hex digits as repository");
  const publicKey = publicKeyOf(json);
  const volunteer = volunteerIdOf(publicKey);
  if (ownField(json, "volunteer") !== volunteer) fail(`expected volunteer ${volunteer}, the id of its public key`);
  const notAfterMs = parseUtc(ownField(json, "notAfter"));
  if (notAfterMs === undefined) fail("expected a time under notAfter");
  const site = ownField(json, "site");
  if (site !== undefined && !isSiteName(site)) fail("expected a site of 1 to 64 printable characters");
  return { repository, volunteer, publicKey, notAfterMs, origin: ownField(json, "origin") === true, site };
}

function publicKeyOf(json: JsonObject): Uint8Array {
  try {
    return parsePublicKey(ownField(json, "publicKey"));
  } catch (error) {
    if (error instanceof TrustError) throw new TrustError("bad-pass", `pass: ${error.message}`, { cause: error });
    throw error;
  }
}

function fail(problem: string): never {
  throw new TrustError("bad-pass", `pass: ${problem}`);
}

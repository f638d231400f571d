import { createHmac, timingSafeEqual } from "node:crypto";
import { TrustError } from "./errors.ts";
import { type JsonObject, isJsonObject, ownField } from "./json-fields.ts";
import { parsePublicKey } from "./signing-key.ts";
import { isRepositoryId, isVolunteerName } from "./ticket.ts";

/** Body of `POST enrol` (docs/protocol.md, "Enrolment"). The token itself never travels. */
export interface EnrolmentRequest {
  readonly repository: string;
  readonly name: string;
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  /** Base64 of 32 bytes. */
  readonly mac: string;
}

export type EnrolmentIdentity = Omit<EnrolmentRequest, "mac">;

/** HMAC-SHA-256 keyed by the 32 raw token bytes, 32 bytes. */
export function enrolmentMac(token: Uint8Array, identity: EnrolmentIdentity): Uint8Array {
  const { repository, name, publicKey } = identity;
  return createHmac("sha256", token).update(`prsync-enrol-v1\n${repository}\n${name}\n${publicKey}`).digest();
}

export function createEnrolmentRequest(token: Uint8Array, identity: EnrolmentIdentity): EnrolmentRequest {
  return { ...identity, mac: Buffer.from(enrolmentMac(token, identity)).toString("base64") };
}

/** In constant time: the answer's delay says nothing about how much of a guessed mac was right. */
export function verifyEnrolmentMac(token: Uint8Array, request: EnrolmentRequest): boolean {
  const expected = enrolmentMac(token, request);
  const given = Buffer.from(request.mac, "base64");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** @throws TrustError `bad-enrolment` if a field is missing or has another form */
export function parseEnrolmentRequest(value: unknown): EnrolmentRequest {
  if (!isJsonObject(value)) fail("expected a JSON object");
  const repository = ownField(value, "repository");
  const name = ownField(value, "name");
  const publicKey = text(value, "publicKey");
  if (!isRepositoryId(repository)) fail("expected 32 hex digits as repository");
  if (!isVolunteerName(name)) fail("expected a name of letters, digits, dots, underscores and hyphens, at most 63");
  parsePublicKey(publicKey);
  return { repository, name, publicKey, mac: text(value, "mac") };
}

function text(json: JsonObject, name: string): string {
  const value = ownField(json, name);
  return typeof value === "string" && value.length <= 64 ? value : fail(`expected base64 of 32 bytes under "${name}"`);
}

function fail(problem: string): never {
  throw new TrustError("bad-enrolment", `enrolment request: ${problem}`);
}

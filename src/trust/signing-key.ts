import { type KeyObject, createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { messageOf } from "../core/errors.ts";
import { TrustError } from "./errors.ts";

/** RFC 8410: everything of a PKCS8 or SubjectPublicKeyInfo of Ed25519 before the 32 bytes that differ. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export const SEED_LENGTH = 32;
export const PUBLIC_KEY_LENGTH = 32;
export const SIGNATURE_LENGTH = 64;

const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const BASE64_OF_64_BYTES = /^[A-Za-z0-9+/]{85}[AQgw]==$/;
const VOLUNTEER_ID = /^[0-9a-f]{40}$/;

/** An Ed25519 key pair (RFC 8032). The private half leaves it only through {@link toPem}. */
export class SigningKey {
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
  /** {@link publicKey} in base64. */
  readonly publicKeyText: string;
  readonly #private: KeyObject;

  private constructor(privateKey: KeyObject) {
    this.#private = privateKey;
    const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(SPKI_PREFIX.length));
    this.publicKeyText = Buffer.from(this.publicKey).toString("base64");
  }

  /** @param seed 32 secret random bytes; the same seed gives the same key */
  static fromSeed(seed: Uint8Array): SigningKey {
    if (seed.length !== SEED_LENGTH) throw new RangeError(`expected a seed of 32 bytes, got ${seed.length}`);
    const der = Buffer.concat([PKCS8_PREFIX, seed]);
    return new SigningKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  }

  /** @throws TrustError `bad-key` unless `pem` is an Ed25519 private key in PKCS8 */
  static fromPem(pem: string): SigningKey {
    let key: KeyObject;
    try {
      key = createPrivateKey({ key: pem, format: "pem", type: "pkcs8" });
    } catch (error) {
      throw new TrustError("bad-key", `expected a private key in PEM, got: ${messageOf(error)}`, { cause: error });
    }
    if (key.asymmetricKeyType === "ed25519") return new SigningKey(key);
    throw new TrustError("bad-key", `expected an Ed25519 private key, got ${key.asymmetricKeyType ?? "another"}`);
  }

  /** PKCS8 in PEM: the secret, for a file of mode 0600 and nothing else. */
  toPem(): string {
    return this.#private.export({ format: "pem", type: "pkcs8" }).toString();
  }

  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array {
    return sign(null, message, this.#private);
  }

  signToBase64(message: Uint8Array): string {
    return Buffer.from(this.sign(message)).toString("base64");
  }
}

/** False for anything that is not exactly right; never throws on bytes from outside. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_LENGTH || signature.length !== SIGNATURE_LENGTH) return false;
  try {
    const der = Buffer.concat([SPKI_PREFIX, publicKey]);
    return verify(null, message, createPublicKey({ key: der, format: "der", type: "spki" }), signature);
  } catch {
    return false;
  }
}

/** As {@link verifySignature} with the signature in canonical base64. */
export function verifyBase64Signature(publicKey: Uint8Array, message: Uint8Array, signature: unknown): boolean {
  if (typeof signature !== "string" || !BASE64_OF_64_BYTES.test(signature)) return false;
  return verifySignature(publicKey, message, Buffer.from(signature, "base64"));
}

/** Raw bytes of a public key from its base64. @throws TrustError `bad-key` */
export function parsePublicKey(text: unknown): Uint8Array {
  if (typeof text === "string" && BASE64_OF_32_BYTES.test(text)) return new Uint8Array(Buffer.from(text, "base64"));
  throw new TrustError("bad-key", `expected 32 bytes of a public key in base64, got ${JSON.stringify(text)}`);
}

/** First 40 hex digits of SHA-256 of the raw public key; these 20 bytes are the BEP 3 peer id as well. */
export function volunteerIdOf(publicKey: Uint8Array): string {
  if (publicKey.length !== PUBLIC_KEY_LENGTH) throw new RangeError(`expected 32 bytes, got ${publicKey.length}`);
  return createHash("sha256").update(publicKey).digest("hex").slice(0, 40);
}

export function isVolunteerId(text: unknown): text is string {
  return typeof text === "string" && VOLUNTEER_ID.test(text);
}

import type { Clock } from "../../src/core/clock.ts";
import { PassAdmission } from "../../src/net/pass-admission.ts";
import type { AcceptContext } from "../../src/net/peer-connection.ts";
import { realClock } from "../../src/net/real-clock.ts";
import { issuePass } from "../../src/trust/pass.ts";
import { SigningKey, volunteerIdOf } from "../../src/trust/signing-key.ts";

const REPOSITORY = "0123456789abcdef0123456789abcdef";
export const INFO_HASH = "ab".repeat(20);
export const BUNDLE = { pieceCount: 100, pieceLength: 65536, metadataSizeBytes: 20_000 };
const PASS_SIGNER = keyOf(1);

export function keyOf(seed: number): SigningKey {
  return SigningKey.fromSeed(Buffer.alloc(32, seed));
}

export interface ContextParts {
  readonly key?: SigningKey;
  readonly pass?: string;
  readonly ownId?: string;
  readonly allowStockClients?: boolean;
  readonly revoked?: string;
  readonly clock?: Clock;
}

export function passOf(key: SigningKey, origin = false, signer: SigningKey = PASS_SIGNER): string {
  return issuePass(signer, { repository: REPOSITORY, publicKey: key.publicKey, origin }, Date.now() + 60_000);
}

export function contextOf(parts: ContextParts = {}): AcceptContext {
  const key = parts.key ?? keyOf(2);
  const clock = parts.clock ?? realClock;
  return {
    ownId: parts.ownId ?? volunteerIdOf(key.publicKey),
    admission: new PassAdmission({
      key,
      repository: REPOSITORY,
      clock,
      pass: () => parts.pass ?? passOf(key),
      passKey: () => PASS_SIGNER.publicKey,
      isRevoked: (volunteer) => volunteer === parts.revoked,
    }),
    allowStockClients: parts.allowStockClients ?? false,
    clock,
    lookup: (infoHash) => (infoHash === INFO_HASH ? BUNDLE : undefined),
  };
}

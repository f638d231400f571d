import type { Clock } from "../core/clock.ts";
import type { PassMessage } from "../swarm/wire/pass-message.ts";
import { TrustError } from "../trust/errors.ts";
import { verifyPass, type Pass } from "../trust/pass.ts";
import { signPeerProof, verifyPeerProof } from "../trust/peer-proof.ts";
import type { SigningKey } from "../trust/signing-key.ts";
import type { AdmissionResult, PeerAdmission, PeerBinding } from "./peer-admission.ts";

export interface PassAdmissionOptions {
  /** This program's key; its peer id is made from it. */
  readonly key: SigningKey;
  readonly repository: string;
  readonly clock: Clock;
  /** The newest pass that central gave; renewed with every announce. */
  readonly pass: () => string;
  /** 32 raw bytes, from the newest trusted release. */
  readonly passKey: () => Uint8Array;
  /** @param volunteer 40 hex digits */
  readonly isRevoked: (volunteer: string) => boolean;
}

/** Admits whoever shows a valid, unrevoked pass of this repository and signs with its key. */
export class PassAdmission implements PeerAdmission {
  readonly #options: PassAdmissionOptions;

  constructor(options: PassAdmissionOptions) {
    this.#options = options;
  }

  pass(): string {
    return this.#options.pass();
  }

  prove(binding: PeerBinding): Uint8Array {
    return signPeerProof(this.#options.key, binding);
  }

  admit(message: PassMessage, binding: PeerBinding): AdmissionResult {
    const pass = this.#verify(message.pass);
    if (pass instanceof TrustError) return { ok: false, reason: pass.message };
    const peerId = Buffer.from(binding.signerId).toString("hex");
    if (pass.volunteer !== peerId) return { ok: false, reason: `pass of ${pass.volunteer} shown by ${peerId}` };
    if (this.#options.isRevoked(peerId)) return { ok: false, reason: `volunteer ${peerId} is revoked` };
    if (!verifyPeerProof(pass.publicKey, binding, message.signature)) {
      return { ok: false, reason: `volunteer ${peerId} did not sign for this connection` };
    }
    return { ok: true, isOrigin: pass.origin, site: pass.site };
  }

  #verify(text: string): Pass | TrustError {
    const { repository, clock, passKey } = this.#options;
    try {
      return verifyPass(text, passKey(), { repository, nowMs: clock.wallMs() });
    } catch (error) {
      if (error instanceof TrustError) return error;
      throw error;
    }
  }
}

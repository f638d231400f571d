import type { PassMessage } from "../swarm/wire/pass-message.ts";

/** What a peer's signature is bound to (docs/protocol.md, "Peers"). */
export interface PeerBinding {
  /** 32 bytes that the receiver made for this connection. */
  readonly receiverNonce: Uint8Array;
  /** Peer ids and info hash: 20 bytes each. */
  readonly signerId: Uint8Array;
  readonly receiverId: Uint8Array;
  readonly infoHash: Uint8Array;
}

export type AdmissionResult =
  | { readonly ok: true; readonly isOrigin: boolean; readonly site?: string | undefined }
  | { readonly ok: false; readonly reason: string };

/** Passes and signatures, as connections need them. */
export interface PeerAdmission {
  /** This side's pass. */
  pass(): string;
  /** This side's signature, 64 bytes. */
  prove(binding: PeerBinding): Uint8Array;
  /** Whether the pass is good, belongs to `binding.signerId`, and the signature is by its key. Never throws. */
  admit(message: PassMessage, binding: PeerBinding): AdmissionResult;
}

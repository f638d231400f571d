import { type SigningKey, verifySignature } from "./signing-key.ts";

/**
 * What binds a peer's signature to one connection (docs/protocol.md, "Peers"): the receiver's nonce makes it fresh, both
 * ids and the info hash stop a peer in the middle from passing it on to somebody else.
 */
export interface PeerProof {
  /** 32 bytes, from the receiver's extended handshake. */
  readonly receiverNonce: Uint8Array;
  /** 20 bytes. */
  readonly signerId: Uint8Array;
  /** 20 bytes. */
  readonly receiverId: Uint8Array;
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
}

export const NONCE_LENGTH = 32;
const ID_LENGTH = 20;

/** 64 bytes. */
export function signPeerProof(key: SigningKey, proof: PeerProof): Uint8Array {
  const message = proofBytes(proof);
  if (message === undefined) throw new RangeError("expected a nonce of 32 bytes and ids of 20");
  return key.sign(message);
}

/** False also if a part has the wrong length: fields of other lengths could be shifted into each other. */
export function verifyPeerProof(publicKey: Uint8Array, proof: PeerProof, signature: Uint8Array): boolean {
  const message = proofBytes(proof);
  return message !== undefined && verifySignature(publicKey, message, signature);
}

function proofBytes({ receiverNonce, signerId, receiverId, infoHash }: PeerProof): Uint8Array | undefined {
  if (receiverNonce.length !== NONCE_LENGTH) return undefined;
  if ([signerId, receiverId, infoHash].some((id) => id.length !== ID_LENGTH)) return undefined;
  return Buffer.concat([Buffer.from("prsync-peer-v1\n"), receiverNonce, signerId, receiverId, infoHash]);
}

/** What the registry of invitations knows of a volunteer. */
export type VolunteerState = "invited" | "enrolled" | "draining" | "revoked";

export interface SignedRequestFacts {
  /** Undefined if no volunteer of that id is enrolled. */
  readonly state: VolunteerState | undefined;
  /** The highest sequence number seen from it. */
  readonly highestSequence: number;
  /** Undefined if the header is missing or malformed. */
  readonly sequence: number | undefined;
  readonly isSignatureValid: boolean;
}

/** `accepted`, or what to answer (docs/protocol.md, "Signed requests of volunteers"). */
export type RequestDecision =
  | { readonly kind: "accepted" }
  | { readonly kind: "refused"; readonly status: 401; readonly code: "bad-signature" }
  | { readonly kind: "refused"; readonly status: 403; readonly code: "revoked" }
  | { readonly kind: "refused"; readonly status: 401; readonly code: "stale-sequence"; readonly sequence: number };

/**
 * Decides on a signed request. The signature comes first: who can't sign learns neither whether an id is revoked nor
 * where its sequence stands.
 */
export function decideSignedRequest(facts: SignedRequestFacts): RequestDecision {
  const { state, sequence } = facts;
  if (state === undefined || sequence === undefined || !facts.isSignatureValid) {
    return { kind: "refused", status: 401, code: "bad-signature" };
  }
  if (state === "revoked") return { kind: "refused", status: 403, code: "revoked" };
  if (sequence <= facts.highestSequence) {
    return { kind: "refused", status: 401, code: "stale-sequence", sequence: facts.highestSequence };
  }
  return { kind: "accepted" };
}

export interface EnrolmentFacts {
  /** Undefined for an unknown name. */
  readonly state: VolunteerState | undefined;
  /** The key bound to the name, base64; undefined if none yet. */
  readonly boundKey: string | undefined;
  readonly publicKey: string;
  readonly isMacValid: boolean;
}

/** `bind`: first use of the ticket. `repeat`: the same key again, answered as the first time. */
export type EnrolmentDecision = "bind" | "repeat" | "bad-ticket" | "already-enrolled";

/** Decides on an enrolment (docs/protocol.md): a token is good for one key. */
export function decideEnrolment(facts: EnrolmentFacts): EnrolmentDecision {
  if (facts.state === undefined || facts.state === "revoked" || !facts.isMacValid) return "bad-ticket";
  if (facts.boundKey === undefined) return "bind";
  return facts.boundKey === facts.publicKey ? "repeat" : "already-enrolled";
}

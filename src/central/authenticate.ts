import type { FastifyRequest } from "fastify";
import type { RegisteredVolunteer } from "../store/volunteer-rows.ts";
import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import { decideSignedRequest, type RequestDecision } from "../tracker/admission.ts";
import {
  parseSequence,
  SEQUENCE_HEADER,
  SIGNATURE_HEADER,
  verifyRequest,
  VOLUNTEER_HEADER,
} from "../trust/request-signature.ts";
import { isVolunteerId } from "../trust/signing-key.ts";

export type Refusal = Extract<RequestDecision, { readonly kind: "refused" }>;

export interface AuthenticationContext {
  readonly registry: VolunteerRegistry;
  /** Path part of the public URL that a proxy takes away before it asks us; the volunteer signed it, too. */
  readonly publicPathPrefix: string;
}

/**
 * Who sent a signed request (docs/protocol.md, "Signed requests of volunteers"). An accepted one counts at once: the same
 * request again is stale.
 */
export function authenticate(
  request: FastifyRequest,
  context: AuthenticationContext,
): { readonly volunteer: RegisteredVolunteer & { readonly id: string } } | Refusal {
  const { registry } = context;
  const id = request.headers[VOLUNTEER_HEADER];
  const volunteer = isVolunteerId(id) ? registry.byId(id) : undefined;
  const sequence = parseSequence(request.headers[SEQUENCE_HEADER]);
  const decision = decideSignedRequest({
    state: volunteer?.state,
    highestSequence: volunteer?.id === undefined ? 0 : registry.highestSequence(volunteer.id),
    sequence,
    isSignatureValid: isSigned(request, { ...context, publicKey: volunteer?.publicKey, sequence }),
  });
  if (decision.kind === "refused") return decision;
  const known = { ...volunteer!, id: volunteer!.id! };
  registry.noteSequence(known.id, sequence!);
  return { volunteer: known };
}

/** Whether a request says that it comes from an enrolled volunteer; nothing is proved by that. */
export function isFromEnrolled(request: FastifyRequest, { registry }: AuthenticationContext): boolean {
  const id = request.headers[VOLUNTEER_HEADER];
  const isComplete = parseSequence(request.headers[SEQUENCE_HEADER]) !== undefined;
  return isComplete && isVolunteerId(id) && registry.byId(id) !== undefined;
}

interface SignatureContext extends AuthenticationContext {
  readonly publicKey: Uint8Array | undefined;
  readonly sequence: number | undefined;
}

function isSigned(request: FastifyRequest, context: SignatureContext): boolean {
  const { publicKey, sequence, publicPathPrefix } = context;
  if (publicKey === undefined || sequence === undefined) return false;
  const body = bodyOf(request);
  const targets = new Set([publicPathPrefix + request.originalUrl, request.originalUrl]);
  return [...targets].some((target) =>
    verifyRequest(publicKey, { method: request.method, target, sequence, body }, request.headers[SIGNATURE_HEADER]),
  );
}

/** The body as it came; empty if there was none. */
export function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

import type { FastifyInstance, FastifyReply } from "fastify";
import type { Clock } from "../core/clock.ts";
import { sendProblem } from "../net/http-server-problem.ts";
import { StoreError } from "../store/errors.ts";
import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import { decideEnrolment } from "../tracker/admission.ts";
import { type EnrolmentRequest, parseEnrolmentRequest, verifyEnrolmentMac } from "../trust/enrolment.ts";
import { TrustError } from "../trust/errors.ts";
import { parsePublicKey } from "../trust/signing-key.ts";
import { bodyOf } from "./authenticate.ts";
import { sendRegistryBusy } from "./busy-registry.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { RepositoryAuthority, ServeLog } from "./ports.ts";
import { passFor } from "./volunteer-passes.ts";

export interface EnrolmentContext {
  readonly registry: VolunteerRegistry;
  readonly authority: RepositoryAuthority;
  readonly clock: Clock;
  readonly counters: CentralCounters;
  readonly log: ServeLog;
}

/** `POST enrol`: a ticket becomes a pass (docs/protocol.md, "Enrolment"). */
export function registerEnrolmentRoute(app: FastifyInstance, context: EnrolmentContext): void {
  app.post("/.prsync/enrol", async (request, reply) => {
    const asked = parse(bodyOf(request));
    if (typeof asked === "string")
      return refuse(context, reply, { status: 400, code: "bad-enrolment", message: asked });
    try {
      return enrol(context, asked, reply);
    } catch (error) {
      return sendRegistryBusy(reply, error);
    }
  });
}

function enrol(context: EnrolmentContext, asked: EnrolmentRequest, reply: FastifyReply): FastifyReply {
  const { registry, authority, counters, log } = context;
  const publicKey = parsePublicKey(asked.publicKey);
  const known = registry.byName(asked.name);
  const isOurs = asked.repository === authority.repositoryId;
  const decision = decideEnrolment({
    state: known?.state,
    boundKey: known?.publicKey && Buffer.from(known.publicKey).toString("base64"),
    publicKey: asked.publicKey,
    isMacValid: isOurs && known !== undefined && verifyEnrolmentMac(known.token, asked),
  });
  if (decision === "bad-ticket") {
    const message = "expected a ticket that this repository made and did not take back";
    return refuse(context, reply, { status: 403, code: "bad-ticket", message });
  }
  if (decision === "already-enrolled") {
    return refuse(context, reply, { status: 409, code: decision, message: "the ticket was used with another key" });
  }
  if (decision === "bind" && !tryBind(registry, asked.name, publicKey)) {
    const message = "the key is enrolled under another name";
    return refuse(context, reply, { status: 409, code: "key-enrolled", message });
  }
  const { id, name, site } = registry.byName(asked.name)!;
  if (decision === "bind") log.info({ name, volunteer: id }, "a volunteer enrolled");
  counters.enrolments++;
  const pass = passFor(authority, context.clock, { publicKey, site });
  const passKey = authority.passSigner.publicKeyText;
  const answer = { volunteer: id, name, ...(site === undefined ? {} : { site }), pass, passKey };
  return reply.header("Cache-Control", "no-store").send(answer);
}

function tryBind(registry: VolunteerRegistry, name: string, publicKey: Uint8Array): boolean {
  try {
    registry.enrol(name, publicKey);
    return true;
  } catch (error) {
    if (error instanceof StoreError && error.code === "already-enrolled") return false;
    throw error;
  }
}

/** The reason to answer 400 if it is no enrolment at all. */
function parse(body: Uint8Array): EnrolmentRequest | string {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return "expected a body in JSON";
  }
  try {
    return parseEnrolmentRequest(json);
  } catch (error) {
    if (error instanceof TrustError) return error.message;
    throw error;
  }
}

function refuse(
  { counters }: EnrolmentContext,
  reply: FastifyReply,
  refusal: { readonly status: number; readonly code: string; readonly message: string },
): FastifyReply {
  counters.enrolmentsRefused++;
  return sendProblem(reply, refusal.status, { code: refusal.code, message: refusal.message });
}

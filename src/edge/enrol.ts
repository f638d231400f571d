import { z } from "zod";
import { createEnrolmentRequest } from "../trust/enrolment.ts";
import type { SigningKey } from "../trust/signing-key.ts";
import { volunteerIdOf } from "../trust/signing-key.ts";
import type { Ticket } from "../trust/ticket.ts";
import type { HttpClient } from "../net/http-client.ts";
import { SyncError } from "./errors.ts";
import { parseJson } from "./json-body.ts";

const DEADLINE_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;

const answerSchema = z.object({
  volunteer: z.string(),
  name: z.string(),
  site: z.string().optional(),
  pass: z.string(),
});
const refusalSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export interface EnrolmentContext {
  readonly http: HttpClient;
  readonly signal: AbortSignal;
  /** Under which this mirror's state says that it is enrolled. */
  readonly formerName: string | undefined;
}

type EnrolmentNames = Pick<Ticket, "name"> & Pick<EnrolmentContext, "formerName">;

/** What central told this mirror about itself. */
export interface Enrolment {
  /** Volunteer id, 40 hex digits. */
  readonly volunteer: string;
  readonly pass: string;
  readonly site: string | undefined;
}

/**
 * Makes this mirror known to central by its ticket. The token never travels; the same key enrols again without harm.
 * @throws SyncError `already-enrolled`, `bad-ticket`, `central-refused`; NetError if central can't be reached
 */
export async function enrol(ticket: Ticket, key: SigningKey, context: EnrolmentContext): Promise<Enrolment> {
  const { repository, name } = ticket;
  const request = createEnrolmentRequest(ticket.token, { repository, name, publicKey: key.publicKeyText });
  const response = await context.http.post(`${ticket.url}/.prsync/enrol`, JSON.stringify(request), {
    maxBytes: MAX_ANSWER_BYTES,
    deadlineMs: DEADLINE_MS,
    signal: context.signal,
    headers: { "content-type": "application/json" },
  });
  const json = parseJson(response.body);
  if (response.status !== 200) throw refusal(response.status, json, { name, formerName: context.formerName });
  const answer = answerSchema.safeParse(json);
  const volunteer = volunteerIdOf(key.publicKey);
  if (!answer.success || answer.data.volunteer !== volunteer) {
    throw new SyncError("central-refused", `central's answer to the enrolment of "${name}" makes no sense`);
  }
  const { pass } = answer.data;
  return { volunteer, pass, site: answer.data.site ?? ticket.site };
}

function refusal(status: number, json: unknown, { name, formerName }: EnrolmentNames): SyncError {
  const refused = refusalSchema.safeParse(json);
  const code = refused.success ? refused.data.error.code : "";
  const message = refused.success ? refused.data.error.message : `status ${status}`;
  if (code === "already-enrolled") {
    return new SyncError(
      "already-enrolled",
      `"${name}" is already enrolled with another key; ask central's operator to run: prsync invite TREE ${name} --again`,
    );
  }
  if (code === "key-enrolled") {
    const known = formerName === undefined ? "another name" : `"${formerName}"`;
    return new SyncError(
      "already-enrolled",
      `this mirror's key is enrolled as ${known} and can't be "${name}" as well: leave the ticket out to go on as before; or ask ` +
        `central's operator to run prsync invite TREE ${formerName ?? "NAME"} --again, which shuts that name out and sets the key free`,
    );
  }
  if (code === "bad-ticket")
    return new SyncError("bad-ticket", `central does not accept the ticket of "${name}": ${message}`);
  return new SyncError("central-refused", `central refused the enrolment of "${name}": ${message}`);
}

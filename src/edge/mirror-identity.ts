import { hash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { HttpClient } from "../net/http-client.ts";
import { readFileIfExists, writeFileDurably } from "../store/durable-file.ts";
import type { SigningKey } from "../trust/signing-key.ts";
import type { Ticket } from "../trust/ticket.ts";
import { enrol, type EnrolmentContext } from "./enrol.ts";
import { SyncError } from "./errors.ts";
import { parseJson } from "./json-body.ts";

/** Who this mirror is and whom it trusts: made at enrolment, kept in the state directory; the private key lies beside it. */
export interface MirrorIdentity {
  readonly repository: string;
  /** SHA-256 of the bytes of 1.root.json, from the ticket. */
  readonly rootFingerprint: string;
  /** Base URL of central, without a slash at the end. */
  readonly centralUrl: string;
  readonly name: string;
  readonly site?: string | undefined;
  /** Volunteer id, 40 hex digits; also the BEP 3 peer id. */
  readonly volunteer: string;
  /** Raw Ed25519 key, base64. */
  readonly publicKey: string;
  /** The newest pass central gave. */
  readonly pass: string;
  /** SHA-256 of the token this mirror enrolled with: another ticket means that it is to enrol again. */
  readonly ticketHash: string;
}

const identitySchema = z.object({
  repository: z.string().regex(/^[0-9a-f]{32}$/),
  rootFingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  centralUrl: z.url(),
  name: z.string(),
  site: z.string().optional(),
  volunteer: z.string().regex(/^[0-9a-f]{40}$/),
  publicKey: z.string(),
  pass: z.string(),
  ticketHash: z.string(),
});

const FILE_NAME = "identity.json";

/** @throws SyncError `not-enrolled` if the file is damaged */
export async function readIdentity(stateDirectory: string): Promise<MirrorIdentity | undefined> {
  const path = join(stateDirectory, FILE_NAME);
  const bytes = await readFileIfExists(path);
  if (bytes === undefined) return undefined;
  const parsed = identitySchema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  throw new SyncError("not-enrolled", `identity "${path}" is damaged; move it away and enrol again with the ticket`);
}

export async function saveIdentity(stateDirectory: string, identity: MirrorIdentity): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify(identity)}\n`);
  await writeFileDurably(join(stateDirectory, FILE_NAME), bytes, { mode: 0o600 });
}

/** @throws SyncError `not-enrolled` without identity and ticket */
export async function requireEnrolable(stateDirectory: string, ticket: Ticket | undefined): Promise<void> {
  if (ticket !== undefined || (await readIdentity(stateDirectory)) !== undefined) return;
  throw new SyncError(
    "not-enrolled",
    "this mirror is not enrolled yet: give the ticket that central's operator made with prsync invite",
  );
}

/**
 * The identity of this mirror: the saved one, or a new one by enrolling with the ticket. The ticket it enrolled with only
 * brings a new address of central; another one (it was revoked, or lost its key) enrols it again.
 * @throws SyncError `not-enrolled` without identity and ticket, `other-repository`, those of {@link enrol}
 */
export async function identifyMirror(
  stateDirectory: string,
  ticket: Ticket | undefined,
  context: { readonly key: SigningKey; readonly http: HttpClient; readonly signal: AbortSignal },
): Promise<MirrorIdentity> {
  await requireEnrolable(stateDirectory, ticket);
  const saved = await readIdentity(stateDirectory);
  if (saved !== undefined && ticket !== undefined && ticket.repository !== saved.repository) {
    const told = `this mirror belongs to repository ${saved.repository}, the ticket to ${ticket.repository}`;
    throw new SyncError("other-repository", `${told}; use another directory for another repository`);
  }
  if (ticket !== undefined && saved?.ticketHash !== ticketHashOf(ticket)) {
    return await enrolAndSave(stateDirectory, ticket, { ...context, formerName: saved?.name });
  }
  const known = saved!;
  if (known.publicKey !== context.key.publicKeyText) {
    throw new SyncError(
      "not-enrolled",
      `the key of mirror "${known.name}" in "${stateDirectory}" was lost or replaced; restore volunteer.key, or enrol with ` +
        `the ticket of prsync invite TREE ${known.name} --again`,
    );
  }
  if (ticket === undefined || ticket.url === known.centralUrl) return known;
  const moved = { ...known, centralUrl: ticket.url };
  await saveIdentity(stateDirectory, moved);
  return moved;
}

async function enrolAndSave(
  stateDirectory: string,
  ticket: Ticket,
  context: EnrolmentContext & { readonly key: SigningKey },
): Promise<MirrorIdentity> {
  const { repository, root: rootFingerprint, url: centralUrl, name } = ticket;
  const enrolled = await enrol(ticket, context.key, context);
  const publicKey = context.key.publicKeyText;
  const identity = {
    repository,
    rootFingerprint,
    centralUrl,
    name,
    publicKey,
    ...enrolled,
    ticketHash: ticketHashOf(ticket),
  };
  await saveIdentity(stateDirectory, identity);
  return identity;
}

function ticketHashOf(ticket: Ticket): string {
  return hash("sha256", ticket.token, "hex");
}

import { TrustError } from "./errors.ts";
import { ownField, parseBase64Url, parseJsonObject } from "./json-fields.ts";

/** Admits one new volunteer (docs/protocol.md, "Ticket"). Who has it can enrol under its name once. */
export interface Ticket {
  /** Base URL of central without a slash at the end. */
  readonly url: string;
  /** Repository id, 32 hex digits. */
  readonly repository: string;
  /** SHA-256 of the bytes of `1.root.json`, 64 hex digits. */
  readonly root: string;
  readonly name: string;
  /** 32 secret bytes. */
  readonly token: Uint8Array;
  readonly site?: string;
}

export const TICKET_PREFIX = "prsync1.";
export const TOKEN_LENGTH = 32;
const MAX_TICKET_LENGTH = 4096;
const REPOSITORY_ID = /^[0-9a-f]{32}$/;
const SHA256_HEX = /^[0-9a-f]{64}$/;
const VOLUNTEER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function encodeTicket(ticket: Ticket): string {
  const token = Buffer.from(ticket.token).toString("base64url");
  const { url, repository, root, name, site } = ticket;
  const json = JSON.stringify({ url, repository, root, name, token, ...(site === undefined ? {} : { site }) });
  return TICKET_PREFIX + Buffer.from(json).toString("base64url");
}

/**
 * White space around the ticket (files, terminals) is ignored.
 *
 * @throws TrustError `bad-ticket`; the message never repeats the ticket, it is a secret
 */
export function parseTicket(input: string): Ticket {
  const text = input.trim();
  if (!text.startsWith(TICKET_PREFIX)) fail(`expected a text that starts with "${TICKET_PREFIX}"`);
  if (text.length > MAX_TICKET_LENGTH) fail(`expected at most ${MAX_TICKET_LENGTH} characters, got ${text.length}`);
  const bytes = parseBase64Url(text.slice(TICKET_PREFIX.length));
  const json = bytes && parseJsonObject(Buffer.from(bytes).toString("utf8"));
  if (json === undefined) fail("expected base64url of a JSON object; was it cut off while copying?");
  const token = parseBase64Url(stringField(json, "token"));
  if (token?.length !== TOKEN_LENGTH) fail(`expected a token of ${TOKEN_LENGTH} bytes`);
  const site = ownField(json, "site") === undefined ? undefined : stringField(json, "site");
  if (site !== undefined && !isSiteName(site)) fail("expected a site of 1 to 64 printable characters");
  return {
    url: parseBaseUrl(stringField(json, "url")),
    repository: matchingField(json, "repository", REPOSITORY_ID),
    root: matchingField(json, "root", SHA256_HEX),
    name: matchingField(json, "name", VOLUNTEER_NAME),
    token,
    ...(site === undefined ? {} : { site }),
  };
}

/** Letters, digits, dot, underscore and hyphen, at most 63, a letter or digit first. */
export function isVolunteerName(text: unknown): text is string {
  return typeof text === "string" && VOLUNTEER_NAME.test(text);
}

/** 32 lower-case hex digits. */
export function isRepositoryId(text: unknown): text is string {
  return typeof text === "string" && REPOSITORY_ID.test(text);
}

/** 1 to 64 characters without control characters. */
export function isSiteName(text: unknown): text is string {
  return typeof text === "string" && /^[^\p{C}]{1,64}$/u.test(text);
}

function parseBaseUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") return fail("expected an http or https URL");
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return fail("expected a URL without user, query and fragment");
  }
  return url.href.replace(/\/$/, "");
}

function stringField(json: Readonly<Record<string, unknown>>, name: string): string {
  const value = ownField(json, name);
  return typeof value === "string" ? value : fail(`expected a text under "${name}", got ${typeof value}`);
}

function matchingField(json: Readonly<Record<string, unknown>>, name: string, form: RegExp): string {
  const value = stringField(json, name);
  return form.test(value) ? value : fail(`expected "${name}" to match ${form.source}, got ${JSON.stringify(value)}`);
}

function fail(problem: string): never {
  throw new TrustError("bad-ticket", `ticket: ${problem}`);
}

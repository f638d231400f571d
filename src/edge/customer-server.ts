import { decideCustomerRequest, parseCustomerRequest, type CustomerRequest } from "../delivery/customer-request.ts";
import { planFileAnswer, type ServedContent } from "../delivery/file-answer.ts";
import { mediaTypeOf } from "../delivery/media-type.ts";
import type { ByteRange } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";
import { messageOf } from "../core/errors.ts";
import { displayPath, isReserved, type RepoPath } from "../core/repo-path.ts";
import type { Entry } from "../manifest/entry.ts";
import { pacedContent, randomBoundary, sendFileAnswer, type ReadableContent } from "../net/file-response.ts";
import { sendListing } from "../net/listing-response.ts";
import { paceOf } from "../net/pace.ts";
import { sendProblem } from "../net/http-server-problem.ts";
import {
  type ChargeRequests,
  DEFAULT_HTTP_SERVER_OPTIONS,
  FILES_ROUTE,
  listenHttp,
  OWN_PREFIX,
  type HttpServer,
  type HttpServerOptions,
} from "../net/http-server.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { CustomerTransfer } from "./customer-transfer.ts";
import type { HeldFile } from "./held-contents.ts";
import type { Mirror } from "./mirror.ts";
import { originOfCustomer } from "./redirected-customer.ts";

/**
 * A mirror's HTTP for customers: the held release by exact look-up, bytes only if they are exactly that content; asked by content, also what a
 * sync under way has whole. What it does not hold goes back to central (`?origin=1`), never old bytes under a new name.
 * @throws NetError `listen-failed`
 */
export async function serveCustomers(
  mirror: Mirror,
  place: { readonly host: string; readonly port: number } & Partial<
    Pick<HttpServerOptions, "onAnswered" | "requestRate">
  >,
): Promise<HttpServer> {
  const onFailure = ({ target, error }: { readonly target: string; readonly error: unknown }): void => {
    mirror.ports.log.warn({ target: displayPath(target), reason: messageOf(error) }, "a request failed");
  };
  return await listenHttp({ ...DEFAULT_HTTP_SERVER_OPTIONS, ...place, onFailure }, (app, charge) => {
    // Monitors look by HEAD, too.
    app.get(`${OWN_PREFIX}health`, { exposeHeadRoute: true }, async (_request, reply) => reply.send("ok\n"));
    app.get(`${OWN_PREFIX}ready`, { exposeHeadRoute: true }, async (_request, reply) => {
      const release = mirror.index.facts.get("heldRelease") ?? 0;
      return release > 0 ? reply.send(`release ${release}\n`) : reply.code(503).send("no release yet\n");
    });
    app.route({
      method: ["GET", "HEAD"],
      url: FILES_ROUTE,
      handler: (request, reply) => answer(mirror, { request, reply, charge }),
    });
  });
}

async function answer(
  mirror: Mirror,
  { request, reply, charge }: Exchange & { readonly charge: ChargeRequests },
): Promise<FastifyReply> {
  const asked = parseCustomerRequest(request.originalUrl);
  if (typeof asked === "string") return sendProblem(reply, 400, { code: "bad-path", message: asked });
  if (asked.path !== undefined && isReserved(asked.path)) {
    return sendProblem(reply, 404, { code: "not-found", message: "no such address under /.prsync/" });
  }
  if (mirror.situation.customersFrom === "none") return sendToCentral(mirror, { request, reply });
  if (mirror.situation.isOnlyRedirected) {
    const origin = originOfCustomer(mirror, request.originalUrl);
    if (origin === "own-accord") return sendToChoice(mirror, { request, reply });
    if (origin === "refused") return sendToCentral(mirror, { request, reply });
  }
  const decision = decideCustomerRequest(asked, (path) => heldEntryAt(mirror, path));
  switch (decision.kind) {
    case "missing":
    case "other-content":
      return await sendWanted(mirror, asked, { request, reply });
    case "listing":
      return await list(mirror, decision.directory, { request, reply, charge });
    case "add-slash":
      return reply.code(301).header("Location", decision.location).send();
    case "file":
      return await sendContent(mirror, decision.served, { request, reply });
  }
}

function list(
  { index, ports }: Mirror,
  directory: RepoPath | undefined,
  { request, reply, charge }: Exchange & { readonly charge: ChargeRequests },
): Promise<FastifyReply> {
  return sendListing(reply, directory, {
    read: (after, limit) => [...index.manifest.children(directory, after).take(limit)],
    release: () => index.facts.get("heldRelease") ?? 0,
    charge: (requests) => charge(request, requests),
    address: request.ip,
    onFailure: (error) => {
      const target = displayPath(request.originalUrl);
      ports.log.warn({ target, reason: messageOf(error) }, "a directory could not be listed to its end");
    },
  });
}

/** Also a file that the release lacks but that stays for a while: a customer may be in the middle of the release before. */
function heldEntryAt({ index }: Mirror, path: RepoPath): Entry | undefined {
  const entry = index.manifest.entry(path);
  if (entry !== undefined || !index.gone.has(path)) return entry;
  const record = index.files.get(path);
  if (record?.isVerified !== true) return undefined;
  const { size, mtimeNs } = record.stat;
  return { kind: "file", path, mode: 0o644, size, mtimeNs, content: record.content };
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Asked by content: given under any name if it is held, else central decides. */
async function sendWanted(mirror: Mirror, asked: CustomerRequest, exchange: Exchange): Promise<FastifyReply> {
  const { path, wantedContent } = asked;
  const lengthBytes = wantedContent === undefined ? undefined : heldLength(mirror, wantedContent);
  if (path === undefined || wantedContent === undefined || lengthBytes === undefined)
    return sendToCentral(mirror, exchange);
  return await sendContent(
    mirror,
    { content: wantedContent, lengthBytes, mtimeNs: undefined, mediaType: mediaTypeOf(path) },
    exchange,
  );
}

function heldLength(mirror: Mirror, content: ContentId): number | undefined {
  const arrivedBytes = mirror.arrived.lengthOf(content);
  if (arrivedBytes !== undefined) return arrivedBytes;
  for (const path of mirror.index.files.pathsOf(content)) {
    const record = mirror.index.files.get(path);
    if (record?.isVerified === true) return record.stat.size;
  }
  return undefined;
}

async function sendContent(mirror: Mirror, served: ServedContent, exchange: Exchange): Promise<FastifyReply> {
  const { request, reply } = exchange;
  if (served.lengthBytes > 0 && (await read(mirror, served.content, { start: 0, end: 1 })) === undefined)
    return sendToCentral(mirror, exchange);
  reply.hijack();
  const { situation } = mirror;
  try {
    const { method = "GET", headers } = request.raw;
    const answer = planFileAnswer({ method, headers }, served, randomBoundary());
    using transfer = new CustomerTransfer(situation, answer);
    await using held = new CustomerContent(mirror, served.content, transfer);
    const pace = paceOf(mirror.bandwidth.customers, mirror.ports.clock);
    const sent = await sendFileAnswer(
      answer,
      reply.raw,
      pacedContent(held, pace, () => !reply.raw.destroyed),
    );
    situation.customerBytes += sent.kind === "content-failed" ? 0 : sent.bodyBytes;
    // Replaced between the look above and the first read: a sync is putting a release in place.
    if (sent.kind === "content-failed" && !sent.headSent) {
      reply.raw.writeHead(302, { ...redirectToCentral(mirror, request), "Content-Length": "0" }).end();
    }
  } catch {
    reply.raw.destroy();
  }
  return reply;
}

/** Of the staging area first: what is renamed into DEST between two reads is found there then. */
async function read(mirror: Mirror, content: ContentId, range: ByteRange): Promise<Uint8Array | undefined> {
  const bytes = await readArrived(mirror, content, range);
  return bytes ?? (await mirror.held.read(content, range.start, range.end - range.start));
}

/** A staging area that can't be read, or a record that a full disk does not take, is no customer's concern: DEST or central may have it. */
async function readArrived(
  { arrived, ports }: Mirror,
  content: ContentId,
  { start, end }: ByteRange,
): Promise<Uint8Array | undefined> {
  try {
    return await arrived.read(content, start, end - start);
  } catch (error) {
    ports.log.warn({ content, reason: messageOf(error) }, "what arrived can't be read for a customer");
    return undefined;
  }
}

/** For one transfer: what becomes of the name meanwhile is no matter. */
class CustomerContent implements ReadableContent, AsyncDisposable {
  readonly #mirror: Mirror;
  readonly #content: ContentId;
  readonly #transfer: CustomerTransfer;
  #file: HeldFile | undefined;

  constructor(mirror: Mirror, content: ContentId, transfer: CustomerTransfer) {
    this.#mirror = mirror;
    this.#content = content;
    this.#transfer = transfer;
  }

  async read(start: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#read(start, length);
    if (bytes === undefined) throw new Error("the file changed on disk");
    this.#transfer.noteRead(bytes.length);
    return bytes;
  }

  async #read(start: number, length: number): Promise<Uint8Array | undefined> {
    const range = { start, end: start + length };
    if (this.#file === undefined) {
      const arrived = await readArrived(this.#mirror, this.#content, range);
      if (arrived !== undefined) return arrived;
      this.#file = await this.#mirror.held.hold(this.#content);
    }
    const bytes = await this.#file?.read(start, length);
    if (bytes !== undefined) return bytes;
    // It will not be the content again: the next read looks for another one.
    await this[Symbol.asyncDispose]();
    return await read(this.#mirror, this.#content, range);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.[Symbol.asyncDispose]();
  }
}

function sendToCentral(mirror: Mirror, { request, reply }: Exchange): FastifyReply {
  return reply.code(302).headers(redirectToCentral(mirror, request)).send();
}

/** Central may send it on, to this mirror too: with a signature then. */
function sendToChoice(mirror: Mirror, { request, reply }: Exchange): FastifyReply {
  const [path = "/"] = request.originalUrl.split("?");
  return reply
    .code(302)
    .header("Location", centralFor(mirror) + path)
    .header("Cache-Control", "no-store")
    .send();
}

/** The raw target is legal in a header: the request parser took it. A query of ours is dropped, central needs the path. */
function redirectToCentral(mirror: Mirror, request: FastifyRequest): Record<"Location" | "Cache-Control", string> {
  const [path = "/"] = request.originalUrl.split("?");
  return { Location: `${centralFor(mirror)}${path}?origin=1`, "Cache-Control": "no-store" };
}

/** The ticket's URL may be one inside the network of the mirrors: customers get the one that central tells for them. */
function centralFor({ situation, identity }: Mirror): string {
  return situation.centralCustomerUrl ?? identity.centralUrl;
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";
import type { ContentId } from "../core/content-id.ts";
import { messageOf } from "../core/errors.ts";
import { addressGroup } from "../core/remote-address.ts";
import { displayPath, isReserved, type RepoPath } from "../core/repo-path.ts";
import {
  type CustomerRequest,
  decideCustomerRequest,
  lastPart,
  parseCustomerRequest,
} from "../delivery/customer-request.ts";
import { type DescribedFile, describedPath, type DescriptionKind, isNamePlain } from "../delivery/described-file.ts";
import { type Explanation, renderExplanation } from "../delivery/explanation.ts";
import { type ServedContent, validatorsOf } from "../delivery/file-answer.ts";
import { mediaTypeOf } from "../delivery/media-type.ts";
import { wantedMetalink } from "../delivery/negotiation.ts";
import { evaluatePreconditions } from "../delivery/preconditions.ts";
import { redirectHeaders } from "../delivery/redirect-answer.ts";
import type { FileEntry } from "../manifest/entry.ts";
import { type AnswerSource, respondWithContent } from "../net/file-response.ts";
import { sendListing } from "../net/listing-response.ts";
import { type ChargeRequests, FILES_ROUTE } from "../net/http-server.ts";
import { sendProblem } from "../net/http-server-problem.ts";
import type { Pace } from "../net/pace.ts";
import { StoreError } from "../store/errors.ts";
import type { SiteTable } from "../tracker/site-table.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { CustomerChoice, FileDemand } from "./customer-choice.ts";
import type { ServeLog } from "./ports.ts";
import { sendDescription } from "./description-routes.ts";
import { signatureOf } from "./detached-signature.ts";
import type { GoneContents } from "./gone-contents.ts";
import { LastingContent } from "./lasting-content.ts";
import { namedBaseUrl } from "./own-base-url.ts";
import { pieceHashesOf } from "./piece-hashes.ts";
import type { PublishedTree } from "./published-tree.ts";
import type { RedirectFront } from "./redirect-front.ts";
import { releasedFile } from "./released-files.ts";
import type { SeenCustomers } from "./seen-customers.ts";
import { addressOf, portOf } from "./request-address.ts";

export interface FileRouteContext {
  readonly tree: PublishedTree;
  readonly counters: CentralCounters;
  readonly log: ServeLog;
  readonly gone: GoneContents;
  /** Of contents over HTTP. */
  readonly pace: Pace;
}

export interface CustomerRouteContext extends FileRouteContext {
  readonly choice: CustomerChoice;
  readonly seen: SeenCustomers;
  /** Saw the request first, if there is one. */
  readonly front: RedirectFront | undefined;
  /** Where customers stand. */
  readonly siteTable: SiteTable;
  /** Base URL by which the world reaches central; its protocol is the customers' behind a proxy that does not tell. */
  readonly publicUrl: string | undefined;
  /** Is central asked through a proxy (`--trusted-proxy`)? */
  readonly isBehindProxy: boolean;
  /** For what costs more than a file. */
  readonly charge: ChargeRequests;
}

/** The current release for customers: request → decision → a volunteer, or the bytes. */
export function registerFileRoutes(app: FastifyInstance, context: CustomerRouteContext): void {
  app.route({
    method: ["GET", "HEAD"],
    url: FILES_ROUTE,
    handler: async (request, reply) => {
      context.counters.customerRequests++;
      const asked = parseCustomerRequest(request.originalUrl);
      if (typeof asked === "string") return sendProblem(reply, 400, { code: "bad-path", message: asked });
      return await answer(context, asked, { request, reply });
    },
  });
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function answer(
  context: CustomerRouteContext,
  asked: CustomerRequest,
  exchange: Exchange,
): Promise<FastifyReply> {
  const { reply } = exchange;
  const { tree } = context;
  if (tree.release === undefined) return sendNoRelease(reply);
  const decision = decideCustomerRequest(asked, (path) => tree.entry(path));
  switch (decision.kind) {
    case "missing":
      if (await describe(context, asked, exchange)) return reply;
      return sendProblem(reply, 404, { code: "not-found", message: decision.reason });
    case "listing":
      return await list(context, decision.directory, exchange);
    case "add-slash":
      return reply.code(301).header("Location", decision.location).send();
    case "other-content":
      return await sendWanted(context, asked, exchange);
    case "file":
      return await answerFile(context, { asked, ...decision }, exchange);
  }
}

interface AskedFile {
  readonly asked: CustomerRequest;
  readonly entry: FileEntry;
  readonly served: ServedContent;
}

async function answerFile(context: CustomerRouteContext, file: AskedFile, exchange: Exchange): Promise<FastifyReply> {
  const { reply } = exchange;
  const { choice } = context;
  const demand = demandOf(context, file, exchange.request);
  if (file.asked.explanation !== undefined) {
    const usual = choice.explain(demand);
    // Which only who sends it finds out, and who asks for reasons.
    const isLost = isServedHere(usual, demand) && (await lengthOf(context.tree, file.served.content)) === undefined;
    const explanation = isLost ? choice.explain(demand, isLost) : usual;
    const { ranked, rejected } = explanation;
    context.charge(exchange.request, Math.floor((ranked.length + rejected.length) / EXPLAINED_PER_REQUEST));
    void reply.header("Cache-Control", "no-store").header("X-Content-Type-Options", "nosniff");
    if (file.asked.explanation === "text") return reply.type("text/plain").send(renderExplanation(explanation));
    return reply.type("application/json").send(`${JSON.stringify(explanation)}\n`);
  }
  // Set here for what central sends itself; a redirect has its own.
  reply.raw.setHeader("Vary", "Accept");
  if (await describeInstead(context, file, exchange)) return reply;
  context.seen.note(exchange.request.raw.headers, demand.customer.address);
  const redirect = context.front?.isForOrigin(exchange.request.raw) === true ? undefined : choice.redirect(demand);
  if (redirect !== undefined) return reply.code(302).headers(redirectHeaders(redirect, demand.file.target)).send();
  return await sendContent(context, file.served, {
    ...exchange,
    elsewhere: () => {
      const places = choice.holders(demand);
      return places && redirectHeaders(places, demand.file.target);
    },
  });
}

/** Would central send bytes of the content? */
function isServedHere({ origin }: Explanation, { file, isBodyless }: FileDemand): boolean {
  return origin !== undefined && !isBodyless && file.served.lengthBytes > 0;
}

/** Volunteers that are weighed and named for what a redirect costs. */
const EXPLAINED_PER_REQUEST = 10;

/** `PATH.meta4` and its like, for a PATH that is a file of the release. False if it is none. */
async function describe(context: CustomerRouteContext, asked: CustomerRequest, exchange: Exchange): Promise<boolean> {
  const target = asked.path === undefined || isReserved(asked.path) ? undefined : describedPath(asked.path);
  if (target === undefined || asked.endsWithSlash) return false;
  const { path, kind } = target;
  const decision = decideCustomerRequest({ ...asked, path, wantedContent: undefined }, (at) => context.tree.entry(at));
  if (decision.kind !== "file") return false;
  const { entry, served } = decision;
  const demand = demandOf(context, { asked: { ...asked, path }, entry, served }, exchange.request);
  const bases = basesOf(context, placesFor(context, demand, { kind, exchange }), exchange.request);
  await sendDescribed(context, { ...served, mtimeNs: entry.mtimeNs, path, bases }, { kind, exchange });
  return true;
}

/** Volunteers that a description of a kind names. */
function placesFor(
  { choice, charge }: CustomerRouteContext,
  demand: FileDemand,
  { kind, exchange: { request } }: { readonly kind: DescriptionKind; readonly exchange: Exchange },
): readonly string[] {
  const isForAll = kind === "mirrorlist";
  const isDownload = kind === "meta4" || kind === "metalink";
  const isBooked = isDownload && request.method !== "HEAD";
  const places = choice.places(demand, { isByName: isNamePlain(kind), isForAll, isBooked });
  if (isForAll) charge(request, Math.floor(choice.weighedCount / EXPLAINED_PER_REQUEST));
  return places;
}

/** A metalink at the path of the file itself, if `Accept` wants it and it would name a volunteer, or wants nothing else. Never for who comes from one. */
async function describeInstead(context: CustomerRouteContext, file: AskedFile, exchange: Exchange): Promise<boolean> {
  const { asked, entry, served } = file;
  const wanted = wantedMetalink(exchange.request.raw.headers.accept, served.mediaType);
  if (wanted === undefined || asked.isOriginWanted || asked.wantedContent !== undefined) return false;
  const { kind } = wanted;
  const places = placesFor(context, demandOf(context, file, exchange.request), { kind, exchange });
  if (places.length === 0 && !wanted.isOnly) return false;
  const bases = basesOf(context, places, exchange.request);
  // A description of nowhere is of no use to anybody, the file is.
  if (bases.length === 0) return false;
  const described = { ...served, mtimeNs: entry.mtimeNs, path: asked.path!, bases };
  await sendDescribed(context, described, { kind, exchange });
  return true;
}

/**
 * Volunteers, then central by its public URL. Nobody there: central all the same, since a description without a URL is of no use (RFC 5854
 * wants one, and dnf has nothing else), unless it can't know where it is.
 */
function basesOf(context: CustomerRouteContext, places: readonly string[], request: FastifyRequest): readonly string[] {
  if (context.publicUrl === undefined && places.length > 0) return places;
  const own = namedBaseUrl(context, request);
  return own === undefined ? places : [...places, own];
}

/** With what only Metalink 4 tells and must be looked up; who asks by HEAD does not see it. */
async function sendDescribed(
  context: CustomerRouteContext,
  file: DescribedFile & ServedContent,
  { kind, exchange }: { readonly kind: DescriptionKind; readonly exchange: Exchange },
): Promise<void> {
  const { reply, request } = exchange;
  const signature = await signatureOf(context, file.path);
  const isSeen = kind === "meta4" && request.method !== "HEAD";
  const charge = (requests: number): void => context.charge(request, requests);
  const pieces = isSeen ? await pieceHashesOf(context.tree, file, charge) : undefined;
  sendDescription(reply, kind, { ...file, signature, pieces });
}

function demandOf(
  { siteTable, publicUrl, tree }: CustomerRouteContext,
  { asked, entry, served }: AskedFile,
  request: FastifyRequest,
): FileDemand {
  const { headers, method } = request.raw;
  const address = addressOf(request);
  const place = tree.placeOf(served.content);
  return {
    customerGroup: addressGroup(address),
    customer: { address, site: siteTable.siteOf(address), protocol: protocolOfCustomer(request, publicUrl) },
    file: releasedFile(asked.path!, served, { entryPath: entry.path, place, release: tree.shownRelease }),
    isHead: method === "HEAD",
    range: headers.range,
    port: portOf(request.raw),
    agent: headers["user-agent"],
    isOriginWanted: asked.isOriginWanted,
    isBodyless: evaluatePreconditions(headers, validatorsOf(served)) !== "proceed",
  };
}

/** What a trusted proxy tells, else what the public URL says: a TLS proxy's connections look like any other's. */
function protocolOfCustomer(request: FastifyRequest, publicUrl: string | undefined): "http" | "https" {
  const isTold = request.ips !== undefined && request.headers["x-forwarded-proto"] !== undefined;
  return isTold ? request.protocol : protocolOf(publicUrl);
}

/** How customers reach central, if no proxy tells. */
export function protocolOf(publicUrl: string | undefined): "http" | "https" {
  return publicUrl?.startsWith("https:") === true ? "https" : "http";
}

/** Before the first publish nothing can be answered. */
export function sendNoRelease(reply: FastifyReply): FastifyReply {
  const message = "there is no release yet: run prsync publish";
  return sendProblem(reply.header("Retry-After", "60"), 503, { code: "no-release", message });
}

/** Sends a content and notes what came of it. @param exchange `elsewhere` as in {@link AnswerSource} */
export async function sendContent(
  context: FileRouteContext,
  served: ServedContent,
  { request, reply, elsewhere }: Exchange & Pick<AnswerSource, "elsewhere">,
): Promise<FastifyReply> {
  const { tree, counters, log } = context;
  reply.hijack();
  const raw = { request: request.raw, response: reply.raw };
  try {
    const result = await respondWithContent(raw, served, {
      open: () => LastingContent.open(tree, served.content),
      pace: context.pace,
      isBusy: (cause) => cause instanceof StoreError && cause.code === "unpack-busy",
      ...(elsewhere === undefined ? {} : { elsewhere }),
    });
    if (result.kind !== "content-failed") {
      counters.customerBytes += result.bodyBytes;
      return reply;
    }
    counters.contentsGone++;
    if (context.gone.isNews(served.content))
      log.warn({ content: served.content, target: displayPath(request.originalUrl) }, "a released content is gone");
  } catch (error) {
    if (context.gone.isNews(served.content))
      log.error({ content: served.content, error: String(error) }, "a content could not be sent");
    reply.raw.destroy();
  }
  return reply;
}

/** A volunteer's or an older release's name for the path: answered as long as that content is kept. */
async function sendWanted(
  context: FileRouteContext,
  asked: CustomerRequest,
  exchange: Exchange,
): Promise<FastifyReply> {
  const content = asked.wantedContent!;
  const lengthBytes = await lengthOf(context.tree, content);
  // A path of the release is never 404: an old link leads to what the path has now.
  if (lengthBytes === undefined) return sendToPlainPath(asked, exchange.reply);
  const served = { content, lengthBytes, mtimeNs: undefined, mediaType: mediaTypeOf(asked.path!) };
  return await sendContent(context, served, exchange);
}

/** Without the content no other is asked for there, so nobody goes round in circles; who wanted central itself still does. */
function sendToPlainPath({ path, isOriginWanted }: CustomerRequest, reply: FastifyReply): FastifyReply {
  const location = `./${percentEncodeBytes(lastPart(path!))}${isOriginWanted ? "?origin=1" : ""}`;
  return reply.code(302).header("Location", location).header("Cache-Control", "no-store").send();
}

/** Length of a content that is still kept. */
export async function lengthOf(tree: PublishedTree, content: ContentId): Promise<number | undefined> {
  await using opened = await tree.openContent(content);
  return opened?.lengthBytes;
}

function list(
  { tree, charge, log }: CustomerRouteContext,
  directory: RepoPath | undefined,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  return sendListing(reply, directory, {
    read: (after, limit) => tree.children(directory, { after, limit }),
    release: () => tree.shownRelease,
    charge: (requests) => charge(request, requests),
    address: addressOf(request),
    onFailure: (error) => {
      const target = displayPath(request.originalUrl);
      log.error({ target, error: messageOf(error) }, "a directory could not be listed to its end");
    },
  });
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { contentIdOf, parseContentId, type ContentId } from "../core/content-id.ts";
import { CoreError, messageOf } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { buildTorrent } from "../manifest/torrent.ts";
import { respondWithContent } from "../net/file-response.ts";
import type { ChargeRequests } from "../net/http-server.ts";
import { sendProblem } from "../net/http-server-problem.ts";
import { bodyOf } from "./authenticate.ts";
import { type FileRouteContext, lengthOf, sendContent, sendNoRelease } from "./file-routes.ts";
import { ownBaseUrl } from "./own-base-url.ts";

export interface MetadataRouteContext extends FileRouteContext {
  /** Base URL under which the world reaches this server, without a slash at the end; undefined if nobody said. */
  readonly publicUrl: string | undefined;
  /** For what costs more than one object. */
  readonly charge: ChargeRequests;
}

const IMMUTABLE = "public, max-age=31536000, immutable";
const TUF_NAME =
  /^(?:timestamp\.json|[1-9]\d{0,15}\.(?:root|snapshot|targets)\.json|targets\/[0-9a-f]{64}\.release\.json)$/;
const TORRENT_NAME = /^([0-9a-f]{40})\.torrent$/;

/** TUF files, objects, contents, signatures and .torrent files: everything that mirrors verify themselves. */
export function registerMetadataRoutes(app: FastifyInstance, context: MetadataRouteContext): void {
  const { tree } = context;
  get(app, "tuf/*", context, async (name, { reply }) => {
    const bytes = TUF_NAME.test(name) ? await tree.tufFile(name) : undefined;
    const caching = name === "timestamp.json" ? "no-cache" : IMMUTABLE;
    return sendBytes(context, reply, { bytes, mediaType: "application/json", caching });
  });
  get(app, "objects/*", context, async (name, { reply }) => {
    const content = tryContentId(name);
    const bytes = content === undefined ? undefined : await tree.object(content);
    return sendBytes(context, reply, { bytes, mediaType: "application/zstd", caching: IMMUTABLE });
  });
  get(app, "signatures/*", context, async (name, { reply }) => {
    const content = tryContentId(name);
    const bytes = content === undefined ? undefined : await tree.signature(content);
    return sendBytes(context, reply, { bytes, mediaType: "application/octet-stream", caching: IMMUTABLE });
  });
  for (const kind of ["signatures", "sketches"] as const) {
    app.post(`/.prsync/${kind}`, async (request, reply) => {
      context.counters.metadataRequests++;
      const asked = bodyOf(request);
      context.charge(request, Math.floor(asked.length / SHA256_BYTES / RECORDS_PER_REQUEST));
      return await sendRecords(context, { kind, asked }, reply);
    });
  }
  get(app, "metadata/*", context, (name, exchange) => sendMetadataFile(context, name, exchange));
  get(app, "torrents/*", context, async (name, { request, reply }) => {
    const info = await tree.infoDictionary(TORRENT_NAME.exec(name)?.[1] ?? "");
    const bytes = info && buildTorrent(info, `${ownBaseUrl(context.publicUrl, request)}/.prsync/announce`);
    return sendBytes(context, reply, { bytes, mediaType: "application/x-bittorrent", caching: "no-cache" });
  });
  get(app, "contents/*", context, async (name, exchange) => {
    const content = tryContentId(name);
    const lengthBytes = content === undefined ? undefined : await lengthOf(tree, content);
    if (content === undefined || lengthBytes === undefined) return sendMissing(context, exchange.reply);
    const served = {
      content,
      lengthBytes,
      mtimeNs: undefined,
      mediaType: "application/octet-stream",
      isImmutable: true,
    };
    return await sendContent(context, served, exchange);
  });
}

/** Contents that one request may ask about. */
const MAX_RECORDS = 1_000;
/** The answer ends after the record that goes beyond this: who asked asks again for the rest. */
const RECORDS_ANSWER_BYTES: number = 4 * 1024 * 1024;
const SHA256_BYTES = 32;
/** What so many cost is what one object costs. */
const RECORDS_PER_REQUEST = 50;

/** Per content asked for, in order, 4 bytes length (0: it has none) and its signature or sketch; as many as fit. */
async function sendRecords(
  context: MetadataRouteContext,
  { kind, asked }: { readonly kind: "signatures" | "sketches"; readonly asked: Uint8Array },
  reply: FastifyReply,
): Promise<unknown> {
  const { tree } = context;
  const count = asked.length / SHA256_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > MAX_RECORDS) {
    const message = `expected 1 to ${MAX_RECORDS} SHA-256 of ${SHA256_BYTES} bytes each`;
    return sendProblem(reply, 400, { code: "bad-request", message });
  }
  if (context.tree.release === undefined) return sendNoRelease(reply);
  const parts: Uint8Array[] = [];
  let answerBytes = 0;
  for (let start = 0; start < asked.length && answerBytes < RECORDS_ANSWER_BYTES; start += SHA256_BYTES) {
    const content = contentIdOf(asked.subarray(start, start + SHA256_BYTES));
    const record = (await (kind === "sketches" ? tree.sketch(content) : tree.signature(content))) ?? new Uint8Array();
    const head = Buffer.alloc(4);
    head.writeUInt32BE(record.length);
    parts.push(head, record);
    answerBytes += head.length + record.length;
  }
  const answer = { bytes: Buffer.concat(parts), mediaType: "application/octet-stream", caching: "no-store" };
  return sendBytes(context, reply, answer);
}

/** `INFOHASH/PATH`: a file of a metadata bundle, Range. */
async function sendMetadataFile(
  context: MetadataRouteContext,
  name: string,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const [infoHash = "", ...parts] = name.split("/");
  const bundle = await context.tree.metadataBundle(infoHash);
  const file = bundle?.find(parts.join("/") as RepoPath);
  if (bundle === undefined || file === undefined) return sendMissing(context, reply);
  const { content, ordinal } = file;
  const lengthBytes = bundle.layout.content(ordinal).length;
  const served = { content, lengthBytes, mtimeNs: undefined, mediaType: "application/octet-stream", isImmutable: true };
  reply.hijack();
  try {
    const source = { open: () => bundle.open(ordinal), pace: context.pace };
    await respondWithContent({ request: request.raw, response: reply.raw }, served, source);
  } catch (error) {
    context.log.error({ file: name, error: messageOf(error) }, "a file of a metadata bundle could not be sent");
    reply.raw.destroy();
  }
  return reply;
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

function get(
  app: FastifyInstance,
  pattern: string,
  context: MetadataRouteContext,
  answer: (name: string, exchange: Exchange) => Promise<FastifyReply>,
): void {
  app.route<{ Params: { "*": string } }>({
    method: ["GET", "HEAD"],
    url: `/.prsync/${pattern}`,
    handler: async (request, reply) => {
      context.counters.metadataRequests++;
      return await answer(request.params["*"], { request, reply });
    },
  });
}

interface Answer {
  readonly bytes: Uint8Array | undefined;
  readonly mediaType: string;
  readonly caching: string;
}

function sendBytes(context: MetadataRouteContext, reply: FastifyReply, answer: Answer): FastifyReply {
  const { bytes, mediaType, caching } = answer;
  if (bytes === undefined) return sendMissing(context, reply);
  return reply.header("Content-Type", mediaType).header("Cache-Control", caching).send(Buffer.from(bytes));
}

function sendMissing(context: MetadataRouteContext, reply: FastifyReply): FastifyReply {
  if (context.tree.release === undefined) return sendNoRelease(reply);
  return sendProblem(reply, 404, { code: "not-found", message: "not among what this repository keeps" });
}

function tryContentId(text: string): ContentId | undefined {
  try {
    return parseContentId(text);
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}

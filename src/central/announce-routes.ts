import { isIP } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendProblem } from "../net/http-server-problem.ts";
import { TrackerError } from "../tracker/errors.ts";
import { encodeStockAnswer, encodeStockFailure, parseStockAnnounce } from "../tracker/stock-announce.ts";
import type { StockSwarms } from "../tracker/stock-swarms.ts";
import { authenticate, type AuthenticationContext, bodyOf, type Refusal } from "./authenticate.ts";
import type { CentralCounters } from "./central-counters.ts";
import { type AnnounceContext, answerVolunteer } from "./volunteer-announces.ts";

export interface AnnounceRouteContext extends AnnounceContext, AuthenticationContext {
  readonly counters: CentralCounters;
  /** Undefined unless stock clients are let in (`serve --open`). */
  readonly stockSwarms: StockSwarms | undefined;
  readonly stockIntervalMs: number;
}

const REFUSALS: Readonly<Record<Refusal["code"], string>> = {
  "bad-signature": "expected the id of an enrolled volunteer and its signature over this request",
  revoked: "this volunteer is shut out; ask the operator for a new ticket",
  "stale-sequence": "expected a sequence number above the highest seen",
};

/** The tracker: POST for volunteers, BEP 3's GET for stock clients. */
export function registerAnnounceRoutes(app: FastifyInstance, context: AnnounceRouteContext): void {
  app.post("/.prsync/announce", async (request, reply) => answerPost(context, request, reply));
  app.get("/.prsync/announce", async (request, reply) => {
    // BEP 3 knows no HTTP errors: failures go out as 200, too.
    return reply.header("Content-Type", "text/plain").send(Buffer.from(answerStock(context, request)));
  });
}

async function answerPost(
  context: AnnounceRouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const authenticated = authenticate(request, context);
  if (!("volunteer" in authenticated)) {
    context.counters.announcesRefused++;
    const { status, code } = authenticated;
    const sequence = code === "stale-sequence" ? { sequence: authenticated.sequence } : {};
    return sendProblem(reply, status, { code, message: REFUSALS[code], ...sequence });
  }
  try {
    const from = { ...authenticated, host: addressOf(request), query: queryOf(request), body: bodyOf(request) };
    const answer = await answerVolunteer(context, from);
    context.counters.announces++;
    return reply.header("Cache-Control", "no-store").send(answer);
  } catch (error) {
    if (!(error instanceof TrackerError)) throw error;
    context.counters.announcesRefused++;
    return sendProblem(reply, 400, { code: error.code, message: error.message });
  }
}

function answerStock(context: AnnounceRouteContext, request: FastifyRequest): Uint8Array {
  const { stockSwarms, tree, random } = context;
  if (stockSwarms === undefined) return encodeStockFailure("this tracker is for enrolled volunteers only");
  try {
    const announce = parseStockAnnounce(queryOf(request));
    const infoHashes = new Set(tree.bundleNumbers().values());
    if (!infoHashes.has(announce.infoHash))
      return encodeStockFailure("no bundle of this repository has this info hash");
    const asking = { host: addressOf(request), port: announce.port };
    stockSwarms.announce(announce, asking.host);
    const isStopped = announce.event === "stopped";
    const choice = { wanted: isStopped ? 0 : Math.max(0, announce.wanted - 1), random };
    const others = stockSwarms.peersOf(announce.infoHash, asking, choice);
    const origin = { host: unwrap(request.raw.socket.localAddress ?? ""), port: context.origin().port };
    const { seeds, leechers } = stockSwarms.countsOf(announce.infoHash);
    return encodeStockAnswer({
      intervalSeconds: Math.round(context.stockIntervalMs / 1000),
      // The origin is a seed that never announces.
      seeds: seeds + 1,
      leechers,
      peers: announce.wanted === 0 || isStopped ? [] : [origin, ...others],
      isCompact: announce.isCompact,
    });
  } catch (error) {
    if (error instanceof TrackerError) return encodeStockFailure(error.message);
    throw error;
  }
}

/** The socket's address, or a trusted proxy's word; IPv4 in its own form. */
function addressOf(request: FastifyRequest): string {
  const told = unwrap(request.ip);
  return isIP(told) === 0 ? unwrap(request.raw.socket.remoteAddress ?? "") : told;
}

function unwrap(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}

function queryOf(request: FastifyRequest): string {
  const mark = request.originalUrl.indexOf("?");
  return mark < 0 ? "" : request.originalUrl.slice(mark + 1);
}

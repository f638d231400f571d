import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendProblem } from "../net/http-server-problem.ts";
import { addressGroup, plainAddress } from "../core/remote-address.ts";
import { AnnounceBudget } from "../tracker/announce-budget.ts";
import { TrackerError } from "../tracker/errors.ts";
import { encodeStockAnswer, encodeStockFailure, parseStockAnnounce } from "../tracker/stock-announce.ts";
import { openVolunteers, peersForStock } from "../tracker/open-swarm.ts";
import { authenticate, type AuthenticationContext, bodyOf, isFromEnrolled, type Refusal } from "./authenticate.ts";
import { sendRegistryBusy } from "./busy-registry.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { PublishedTree } from "./published-tree.ts";
import { addressOf } from "./request-address.ts";
import { type AnnounceContext, answerVolunteer, peerRules } from "./volunteer-announces.ts";

export interface AnnounceRouteContext extends AnnounceContext, AuthenticationContext {
  readonly counters: CentralCounters;
  readonly stockIntervalMs: number;
}

const REFUSALS: Readonly<Record<Refusal["code"], string>> = {
  "bad-signature": "expected the id of an enrolled volunteer and its signature over this request",
  revoked: "this volunteer is shut out; ask the operator for a new ticket",
  "stale-sequence": "expected a sequence number above the highest seen",
};

/** The tracker: POST for volunteers, BEP 3's GET for stock clients. */
export function registerAnnounceRoutes(app: FastifyInstance, context: AnnounceRouteContext): void {
  const budget = new AnnounceBudget();
  const guarded = { ...context, budget };
  const refuseEarly = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> =>
    refuseBeforeBody(request, reply, guarded);
  app.post("/.prsync/announce", { onRequest: refuseEarly }, async (request, reply) => {
    try {
      return await answerPost(guarded, request, reply);
    } catch (error) {
      return sendRegistryBusy(reply, error);
    }
  });
  app.get("/.prsync/announce", async (request, reply) => {
    if (!budget.mayAddress(addressGroup(addressOf(request)), context.clock.monotonicMs())) {
      return reply.send(Buffer.from(encodeStockFailure("too many announces from this address")));
    }
    // BEP 3 knows no HTTP errors: failures go out as 200, too.
    return reply.header("Content-Type", "text/plain").send(Buffer.from(answerStock(context, request)));
  });
}

type PostContext = AnnounceRouteContext & { readonly budget: AnnounceBudget };

/** What the head tells already: who is unknown, or calls too often, makes central read no body and check no signature (row T01). */
function refuseBeforeBody(
  request: FastifyRequest,
  reply: FastifyReply,
  context: PostContext,
): FastifyReply | undefined {
  const isTooMuch = !context.budget.mayAddress(addressGroup(addressOf(request)), context.clock.monotonicMs());
  if (!isTooMuch && isFromEnrolled(request, context)) return undefined;
  void reply.header("Connection", "close");
  if (isTooMuch) return refuseTooMany(context, reply);
  context.counters.announcesRefused++;
  return sendProblem(reply, 401, { code: "bad-signature", message: REFUSALS["bad-signature"] });
}

function refuseTooMany({ counters }: AnnounceRouteContext, reply: FastifyReply): FastifyReply {
  counters.announcesRefused++;
  const message = "too many announces in a short time; ask again later";
  return sendProblem(reply.header("Retry-After", "10"), 429, { code: "too-many-announces", message });
}

async function answerPost(context: PostContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const authenticated = authenticate(request, context);
  if (!("volunteer" in authenticated)) {
    context.counters.announcesRefused++;
    const { status, code } = authenticated;
    const sequence = code === "stale-sequence" ? { sequence: authenticated.sequence } : {};
    return sendProblem(reply, status, { code, message: REFUSALS[code], ...sequence });
  }
  // Counted only now: nobody can use up the announces of another.
  if (!context.budget.mayVolunteer(authenticated.volunteer.id, context.clock.monotonicMs()))
    return refuseTooMany(context, reply);
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
  const { stockSwarms, tree, live, random } = context;
  if (stockSwarms === undefined) return encodeStockFailure("this tracker is for enrolled volunteers only");
  try {
    const announce = parseStockAnnounce(queryOf(request));
    const bundle = bundleOf(tree, announce.infoHash);
    if (bundle === undefined) return encodeStockFailure("no bundle of this repository has this info hash");
    const asking = { host: addressOf(request), port: announce.port };
    stockSwarms.announce(announce, asking.host);
    const wanted = announce.event === "stopped" ? 0 : announce.wanted;
    const others = stockSwarms.peersOf(announce.infoHash, asking, { wanted, random });
    const origin = { host: plainAddress(request.raw.socket.localAddress ?? ""), port: context.origin().port };
    const rules = { ...peerRules(context), release: tree.release?.number ?? 0 };
    const volunteers = openVolunteers(bundle, live.all(), rules);
    const isAskingAgain = announce.event === undefined && announce.leftBytes > 0;
    const { seeds, leechers } = stockSwarms.countsOf(announce.infoHash);
    return encodeStockAnswer({
      intervalSeconds: Math.round(context.stockIntervalMs / 1000),
      // The origin is a seed that never announces.
      seeds: seeds + 1 + volunteers.whole.length,
      leechers,
      peers: peersForStock({ origin, volunteers, others, isAskingAgain, wanted, random }),
      isCompact: announce.isCompact,
    });
  } catch (error) {
    if (error instanceof TrackerError) return encodeStockFailure(error.message);
    throw error;
  }
}

function bundleOf(tree: PublishedTree, infoHash: string): number | undefined {
  for (const [number, other] of tree.bundleNumbers()) if (other === infoHash) return number;
  return undefined;
}

function queryOf(request: FastifyRequest): string {
  const mark = request.originalUrl.indexOf("?");
  return mark < 0 ? "" : request.originalUrl.slice(mark + 1);
}

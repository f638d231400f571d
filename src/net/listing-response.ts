import type { ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import type { FastifyReply } from "fastify";
import type { RepoPath } from "../core/repo-path.ts";
import { LISTING_END, listingHead, listingRows } from "../delivery/directory-listing.ts";
import type { Entry } from "../manifest/entry.ts";
import { AddressCounts, type AddressShares } from "./address-counts.ts";
import { drained } from "./file-response.ts";
import { type HttpProblem, sendProblem } from "./http-server-problem.ts";

/** The children of a directory, piece by piece. */
export interface ListedDirectory {
  /** The first `limit` after one of them (undefined: from the beginning), in byte order. */
  readonly read: (after: RepoPath | undefined, limit: number) => readonly Entry[];
  /** Number of the release that {@link read} shows. */
  readonly release: () => number;
  /** Counts what a large page costs as so many requests more. */
  readonly charge: (requests: number) => void;
  /** Who asks: large pages are counted by it. */
  readonly address: string;
  /** Hears why a page could not be made to its end for a reason of ours. */
  readonly onFailure: (error: unknown) => void;
}

/** Read and written at a time: 1 to 2 ms, for which all other customers wait. */
const ROWS_AT_ONCE = 200;
/** What so many rows cost is what a redirect costs several times over. */
const ROWS_PER_REQUEST = 100;
/** Pages of more than one piece that an address may have under way: what they cost is charged while they run, when they are let in already. */
const RUNNING: AddressShares = { perAddress: 4, perNetwork: 16 };
/** So soon one of them may have ended. */
const RETRY_SECONDS = 5;
const TOO_MANY_LISTINGS: HttpProblem = {
  code: "too-many-requests",
  message: "this address has as many long listings under way as one may; ask again later",
};

/**
 * Sends a directory as one HTML page, however many entries it has. Pieces of all pages are made one after the other, with a turn of
 * the event loop after each, so that nobody else waits longer than for one piece; as many bytes are held as the reader has not taken of one
 * piece. If another release is shown before the end, the connection is cut: a page of two releases would miss names.
 */
export async function sendListing(
  reply: FastifyReply,
  directory: RepoPath | undefined,
  listed: ListedDirectory,
): Promise<FastifyReply> {
  const release = listed.release();
  const first = await inTurn(() => pieceOf(listed, undefined));
  void reply
    .header("Content-Type", "text/html; charset=utf-8")
    .header("Content-Security-Policy", "default-src 'none'")
    .header("Cache-Control", "no-cache");
  if (first.last === undefined) return reply.send(listingHead(directory) + first.rows + LISTING_END);
  const { raw } = reply;
  const { method } = reply.request;
  if (method !== "HEAD" && !running.take(listed.address)) {
    return sendProblem(reply.header("Retry-After", String(RETRY_SECONDS)), 429, TOO_MANY_LISTINGS);
  }
  for (const [name, value] of Object.entries(reply.getHeaders())) raw.setHeader(name, value!);
  reply.hijack();
  raw.on("error", () => raw.destroy());
  if (method === "HEAD") {
    raw.end();
    return reply;
  }
  try {
    await sendPieces(raw, listingHead(directory), { listed, first, release });
  } catch (error) {
    if (!(error instanceof OtherRelease)) listed.onFailure(error);
    // No client may take a part for the whole: to HTTP/1.0 a connection that is closed in the usual way is the end of the page.
    raw.socket?.resetAndDestroy();
    raw.destroy();
  } finally {
    running.free(listed.address);
  }
  return reply;
}

/** The page would be of two releases. */
class OtherRelease extends Error {}

interface Piece {
  readonly rows: string;
  /** What the next piece comes after; undefined: there is none. */
  readonly last: RepoPath | undefined;
}

async function sendPieces(
  response: ServerResponse,
  head: string,
  { listed, first, release }: { readonly listed: ListedDirectory; readonly first: Piece; readonly release: number },
): Promise<void> {
  let isRoomy = response.write(head + first.rows);
  for (let { last } = first; last !== undefined;) {
    if (!isRoomy) await drained(response);
    if (response.destroyed) return;
    const after = last;
    const piece = await inTurn(() => pieceOf(listed, after));
    if (listed.release() !== release) throw new OtherRelease();
    isRoomy = response.write(piece.rows);
    last = piece.last;
  }
  response.end(LISTING_END);
}

function pieceOf({ read, charge }: ListedDirectory, after: RepoPath | undefined): Piece {
  const entries = read(after, ROWS_AT_ONCE);
  charge(Math.floor(entries.length / ROWS_PER_REQUEST));
  return {
    rows: listingRows(entries),
    last: entries.length < ROWS_AT_ONCE ? undefined : entries.at(-1)!.path,
  };
}

const running = new AddressCounts(RUNNING);
let turns: Promise<unknown> = Promise.resolve();

/** One after the other: a hundred pages at once must not take a hundred pieces' time between two turns of the loop. */
function inTurn<T>(work: () => T): Promise<T> {
  const done = turns.then(work);
  turns = done.catch(() => undefined).then(() => setImmediate());
  return done;
}

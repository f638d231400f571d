import type { ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import type { FastifyReply } from "fastify";
import type { RepoPath } from "../core/repo-path.ts";
import { LISTING_END, listingHead, listingRows } from "../delivery/directory-listing.ts";
import type { Entry } from "../manifest/entry.ts";
import { drained } from "./file-response.ts";

/** The children of a directory, piece by piece. */
export interface ListedDirectory {
  /** The first `limit` after one of them (undefined: from the beginning), in byte order. */
  readonly read: (after: RepoPath | undefined, limit: number) => readonly Entry[];
  /** Number of the release that {@link read} shows. */
  readonly release: () => number;
  /** Counts what a large page costs as so many requests more. */
  readonly charge: (requests: number) => void;
}

/** Read and written at a time: 1 to 2 ms, for which all other customers wait. */
const ROWS_AT_ONCE = 200;
/** What so many rows cost is what a redirect costs several times over. */
const ROWS_PER_REQUEST = 100;

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
  for (const [name, value] of Object.entries(reply.getHeaders())) raw.setHeader(name, value!);
  reply.hijack();
  raw.on("error", () => raw.destroy());
  if (reply.request.method === "HEAD") {
    raw.end();
    return reply;
  }
  try {
    await sendPieces(raw, listingHead(directory), { listed, first, release });
  } catch {
    // No client may take a part for the whole.
    raw.destroy();
  }
  return reply;
}

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
    if (listed.release() !== release) throw new Error("another release is shown now");
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

let turns: Promise<unknown> = Promise.resolve();

/** One after the other: a hundred pages at once must not take a hundred pieces' time between two turns of the loop. */
function inTurn<T>(work: () => T): Promise<T> {
  const done = turns.then(work);
  turns = done.catch(() => undefined).then(() => setImmediate());
  return done;
}

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ChildProgram, type ChildOptions, type ProgramEvent } from "./child-program.ts";

/** What a stock BitTorrent client got out of a bundle's swarm. */
export interface StockFetch {
  /** Below TREE. */
  readonly path: string;
  readonly lengthBytes: number;
  readonly seconds: number;
  /** True if its SHA-256 is that of the file in TREE. */
  readonly isExact: boolean;
}

/** Whether webtorrent is there: a development dependency, which an installed package does not bring. */
export function hasWebtorrent(): boolean {
  try {
    import.meta.resolve("webtorrent");
    return true;
  } catch {
    return false;
  }
}

/** Lets webtorrent, in a process of its own, fetch the largest file of the newest bundle by its .torrent alone. */
export async function fetchByWebtorrent(
  place: { readonly centralUrl: string; readonly tree: string; readonly directory: string },
  options: ChildOptions,
): Promise<StockFetch> {
  const torrentUrl = await newestTorrent(place.centralUrl, options.signal);
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const script = fileURLToPath(new URL(`./webtorrent-fetch.${extension}`, import.meta.url));
  await using client = new ChildProgram("webtorrent", [script, torrentUrl, place.directory], options);
  const fetched = (await client.document()) as unknown as ProgramEvent & {
    readonly path: string;
    readonly savedPath: string;
    readonly lengthBytes: number;
    readonly seconds: number;
  };
  const [expected, got] = [join(place.tree, fetched.path), fetched.savedPath].map(sha256OfFile);
  return { path: fetched.path, lengthBytes: fetched.lengthBytes, seconds: fetched.seconds, isExact: expected === got };
}

async function newestTorrent(centralUrl: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(`${centralUrl}/.prsync/api/v1/status`, { signal });
  const { bundles } = (await answer.json()) as {
    readonly bundles: readonly { readonly number: number; readonly infoHash: string }[];
  };
  const newest = bundles.reduce((best, bundle) => (bundle.number > best.number ? bundle : best));
  return `${centralUrl}/.prsync/torrents/${newest.infoHash}.torrent`;
}

function sha256OfFile(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

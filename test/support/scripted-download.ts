import { Bitfield } from "../../src/core/bitfield.ts";
import { BundleLayout } from "../../src/core/bundle-layout.ts";
import { RangeSet } from "../../src/core/byte-range.ts";
import { seededRandom } from "../../src/core/clock.ts";
import { Download } from "../../src/swarm/download.ts";
import type { DownloadEffect } from "../../src/swarm/download-effect.ts";
import type { DownloadPeer } from "../../src/swarm/download-peer.ts";
import { PeerPipeline } from "../../src/swarm/peer-pipeline.ts";
import { NO_SITES, type SiteView } from "../../src/swarm/site-view.ts";
import { RequestRoom } from "../../src/swarm/request-room.ts";
import type { BlockRequest } from "../../src/swarm/wire/peer-wire.ts";

/** A volunteer without a site. */
export const NOWHERE: { readonly ownId: string; readonly sites: SiteView } = { ownId: "0".repeat(40), sites: NO_SITES };
/** A request and the connection it was made of. */
export type Asked = { peer: number; request: BlockRequest };

/** Always room for two pieces of 64 KiB at first and then for one: these scripts are about which blocks are asked for, not how many. */
class RoomyPipeline extends PeerPipeline {
  #requests = 8;

  override arrived(piece: number, offset: number, nowMs: number): BlockRequest | undefined {
    this.#requests = 4;
    return super.arrived(piece, offset, nowMs);
  }

  override room(nowMs: number): RequestRoom {
    return this.isDoubtful ? super.room(nowMs) : new RequestRoom(this.#requests - this.openCount, Infinity);
  }
}

/** A connected peer that holds these pieces and does not choke. */
export function peer(key: number, pieces: Iterable<number>, change: Partial<DownloadPeer> = {}): DownloadPeer {
  const held = new Bitfield(64);
  for (const piece of pieces) held.set(piece);
  return {
    key,
    peerId: `peer-${key}`,
    isOrigin: false,
    pipeline: new RoomyPipeline(0),
    isNear: true,
    held,
    isChoking: false,
    isInteresting: false,
    usefulMs: 0,
    offeredCount: 0,
    isExhausted: false,
    hasNothingUrgent: false,
    ...change,
  };
}

/** A bundle of 64 pieces of 64 KiB, of which these are wanted whole. */
export function downloadOf(pieces: readonly number[]): Download {
  const layout = new BundleLayout([64 * 65_536], 65_536);
  const wanted = new Map(pieces.map((piece) => [piece, RangeSet.of({ start: 0, end: 65_536 })]));
  return new Download({ layout, wanted, random: seededRandom(1), nowMs: 0, ...NOWHERE });
}

/** The requests among the effects. */
export function asked(effects: readonly DownloadEffect[]): Asked[] {
  return effects.flatMap((effect) =>
    effect.kind === "request" ? [{ peer: effect.peer, request: effect.request }] : [],
  );
}

/** Answers requests and carries out the writes. */
export function answer(download: Download, requests: readonly Asked[], nowMs: number): DownloadEffect[] {
  const results: DownloadEffect[] = [];
  for (const { peer: key, request } of requests) {
    const { piece, offset, lengthBytes } = request;
    const effects = download.arrived(key, { piece, offset, bytes: new Uint8Array(lengthBytes) }, nowMs);
    results.push(...effects);
    for (const effect of effects) {
      if (effect.kind === "write") results.push(...download.written(effect.progress, effect.bytes.length, nowMs));
    }
  }
  return results;
}

export function kinds(effects: readonly DownloadEffect[]): string[] {
  return effects.map((effect) => effect.kind);
}

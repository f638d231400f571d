import type { Bitfield } from "../core/bitfield.ts";
import type { PeerPipeline } from "./peer-pipeline.ts";

/** A connected peer as a download sees it. The session owns `held` and `isChoking`, the download the rest. */
export interface DownloadPeer {
  /** Names the connection. */
  readonly key: number;
  readonly peerId: string;
  readonly isOrigin: boolean;
  readonly pipeline: PeerPipeline;
  /** Of this volunteer's own site. */
  isNear: boolean;
  /** What it said it holds. */
  held: Bitfield;
  isChoking: boolean;
  /** We told it that we are interested. */
  isInteresting: boolean;
  /** When it last offered a wanted piece. */
  usefulMs: number;
  /** Wanted pieces it offers. */
  offeredCount: number;
  /** A search found nothing more to ask it for; until something changes, or the next tick, it is not searched again. */
  isExhausted: boolean;
  /** A search found no urgent piece to ask it for; until something changes, or the next tick, none is looked for. */
  hasNothingUrgent: boolean;
}

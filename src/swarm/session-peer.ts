import { Bitfield } from "../core/bitfield.ts";
import type { DownloadPeer } from "./download-peer.ts";
import { stockClientId } from "./ports.ts";
import { PeerPipeline } from "./peer-pipeline.ts";
import { RateMeter } from "./rate-meter.ts";
import type { PeerWire } from "./wire/peer-wire.ts";

/** One connection of a bundle: what both sides said so far. */
export class SessionPeer implements DownloadPeer {
  readonly key: number;
  readonly wire: PeerWire;
  readonly pipeline: PeerPipeline;
  /** Payload we sent. */
  readonly uploadRate: RateMeter;
  held: Bitfield;
  /** It chokes us (BEP 3: the state at the beginning). */
  isChoking = true;
  /** We choke it. */
  isChoked = true;
  /** It is interested in us. */
  isInterested = false;
  /** We told it that we are interested. */
  isInteresting = false;
  usefulMs: number;
  isNear = true;
  offeredCount = 0;
  isExhausted = false;
  hasNothingUrgent = false;
  /** Last time anything useful happened. */
  activeMs: number;
  /** When the socket last took bytes, while some are queued. */
  drainedMs: number;
  sentBytesSeen = 0;
  /** Blocks of the info dictionary it waits for. */
  readonly metadataWaiting: number[] = [];
  /** It did not offer the dictionary itself when it asked. */
  lacksMetadata = false;
  /** When it first asked for a block. */
  metadataAskedMs: number | undefined;
  /** Its turn came: it gets all that it asks for. */
  isGivenMetadata = false;

  constructor(options: { key: number; wire: PeerWire; pieceCount: number; nowMs: number }) {
    this.key = options.key;
    this.wire = options.wire;
    this.held = new Bitfield(options.pieceCount);
    this.pipeline = new PeerPipeline(options.nowMs);
    this.uploadRate = new RateMeter(options.nowMs);
    this.usefulMs = options.nowMs;
    this.activeMs = options.nowMs;
    this.drainedMs = options.nowMs;
  }

  /** A volunteer's id; a stock client goes by its address. */
  get peerId(): string {
    return this.wire.isStockClient ? stockClientId(this.wire.remoteHost) : this.wire.peerId;
  }

  get isOrigin(): boolean {
    return this.wire.isOrigin;
  }
}

import type { SessionPeer } from "./session-peer.ts";

/** A connection over which nothing useful happened for so long is closed. */
export const IDLE_CLOSE_MS = 60_000;
/** A peer that asks for data and does not read it keeps our memory: closed after this. */
const SLOW_READER_MS = 60_000;

/** Why a connection should be closed now; undefined if it may stay. @param isDownloading for this bundle, here */
export function idleReason(peer: SessionPeer, isDownloading: boolean, nowMs: number): string | undefined {
  if (peer.wire.queuedBytes === 0 || peer.wire.sentBytes !== peer.sentBytesSeen) {
    peer.sentBytesSeen = peer.wire.sentBytes;
    peer.drainedMs = nowMs;
  }
  if (nowMs - peer.drainedMs > SLOW_READER_MS) return "does not read what it asked for";
  if (isDownloading || peer.isInterested) peer.activeMs = nowMs;
  return nowMs - peer.activeMs > IDLE_CLOSE_MS ? "idle" : undefined;
}

import { connect, type Socket } from "node:net";
import { establish, type PeerContext, type WireBundle } from "./peer-establishment.ts";
import { PeerLink } from "./peer-link.ts";
import { plainAddress } from "../core/remote-address.ts";
import type { SocketPeerWire } from "./socket-peer-wire.ts";

/** Whom to call, and for which bundle. */
export interface DialTarget extends WireBundle {
  readonly host: string;
  readonly port: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  /** 40 hex digits, if known: whoever else answers is refused. */
  readonly peerId?: string;
}

export interface AcceptContext extends PeerContext {
  /** The bundle with this info hash (40 hex digits), if this side has it. */
  readonly lookup: (infoHash: string) => WireBundle | undefined;
}

/**
 * What all called peers' sockets are read into, one after the other: a chunk is heard before the next one is read. Memory of its own
 * for each chunk of 64 KiB cost more than reading it; with 256 KiB it stays in the processor's cache.
 */
const receiveMemory: Buffer = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * Connects to a peer and gets both sides admitted, all within 10 s. The wire waits for its listener.
 *
 * @throws NetError `peer-unreachable`, `peer-refused`
 */
export async function dialPeer(target: DialTarget, context: PeerContext): Promise<SocketPeerWire> {
  const { clock, log } = context;
  const callback = (count: number, buffer: Uint8Array): boolean => {
    link.receive(buffer.subarray(0, count));
    return true;
  };
  const socket = connect({ host: target.host, port: target.port, onread: { buffer: receiveMemory, callback } });
  const link: PeerLink = new PeerLink(socket, "tcpOutgoing", { clock, log, remoteHost: target.host });
  socket.once("connect", () => link.wire.handshake(target.infoHash, context.ownId, { fast: true }));
  const bundleFor = (infoHash: string, peerId: string): WireBundle | { readonly refused: string } => {
    if (infoHash !== target.infoHash) return { refused: `answered for bundle ${infoHash}, not ${target.infoHash}` };
    if (peerId === (target.peerId ?? peerId)) return target;
    return { refused: `answered as ${peerId}, not ${target.peerId}` };
  };
  const { wire } = await establish(link, { bundleFor, answers: false }, context);
  return wire;
}

/**
 * Takes an incoming connection and gets both sides admitted, all within 10 s. The wire waits for its listener.
 *
 * @throws NetError `peer-refused`
 */
export function acceptPeer(
  socket: Socket,
  context: AcceptContext,
): Promise<{ readonly wire: SocketPeerWire; readonly infoHash: string }> {
  const { clock, log } = context;
  const remoteHost = plainAddress(socket.remoteAddress ?? "unknown");
  const link = new PeerLink(socket, "tcpIncoming", { clock, log, remoteHost });
  const bundleFor = (infoHash: string): WireBundle | { readonly refused: string } =>
    context.lookup(infoHash) ?? { refused: `no bundle ${infoHash}` };
  return establish(link, { bundleFor, answers: true }, context);
}

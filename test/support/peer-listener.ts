import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { acceptPeer, type AcceptContext, type DialTarget } from "../../src/net/peer-connection.ts";
import type { SocketPeerWire } from "../../src/net/socket-peer-wire.ts";
import { BUNDLE, INFO_HASH } from "./peer-context.ts";

export interface Listening {
  readonly port: number;
  /** The first accepted connection, established. */
  readonly accepted: Promise<SocketPeerWire>;
}

/** Until the test ends. */
export async function listenFor(context: AcceptContext): Promise<Listening> {
  const server = createServer();
  onTestFinished(() => void server.close());
  const accepted = new Promise<SocketPeerWire>((resolve, reject) => {
    server.once("connection", (socket: Socket) => {
      onTestFinished(() => void socket.destroy());
      acceptPeer(socket, context).then(({ wire }) => resolve(wire), reject);
    });
  });
  accepted.catch(() => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, accepted };
}

export function targetAt(port: number, parts: Partial<DialTarget> = {}): DialTarget {
  return { host: "127.0.0.1", port, infoHash: INFO_HASH, ...BUNDLE, ...parts };
}

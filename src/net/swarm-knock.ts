import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { startsAsProtocol } from "../swarm/wire/gate.ts";

/** BEP 3 handshake: protocol name and reserved bits come before the info hash. */
const INFO_HASH_START = 28;
const INFO_HASH_END = 48;
/** As for the whole establishment. */
const KNOCK_DEADLINE_MS = 10_000;

/**
 * Looks at which bundle a fresh connection is about and leaves the bytes in the socket, so that the bundle can be looked
 * up before the handshake is answered. Undefined if the peer leaves, is too slow or speaks something else: a client that
 * tries encryption (MSE) first is to notice at once and call again without.
 */
export function readInfoHash(socket: Socket, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    let seen = Buffer.alloc(0);
    const settle = (infoHash: string | undefined): void => {
      cancelDeadline();
      socket.off("readable", onReadable).off("close", onClose).off("end", onClose);
      if (infoHash !== undefined) socket.unshift(seen);
      resolve(infoHash);
    };
    const onClose = (): void => settle(undefined);
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      seen = Buffer.concat([seen, chunk]);
      if (!startsAsProtocol(seen)) settle(undefined);
      else if (seen.length >= INFO_HASH_END) settle(seen.toString("hex", INFO_HASH_START, INFO_HASH_END));
    };
    const cancelDeadline = clock.schedule(KNOCK_DEADLINE_MS, onClose);
    socket.on("readable", onReadable).on("close", onClose).on("end", onClose);
  });
}

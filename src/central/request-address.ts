import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { plainAddress } from "../core/remote-address.ts";

/** The socket's address, or a trusted proxy's word; IPv4 in its own form. */
export function addressOf(request: FastifyRequest): string {
  const told = plainAddress(request.ip);
  return isIP(told) === 0 ? plainAddress(request.raw.socket.remoteAddress ?? "") : told;
}

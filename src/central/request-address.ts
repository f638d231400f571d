import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { plainAddress } from "../core/remote-address.ts";

/** The socket's address, or a trusted proxy's word; IPv4 in its own form. */
export function addressOf(request: FastifyRequest): string {
  const told = plainAddress(request.ip);
  return isIP(told) === 0 ? plainAddress(request.raw.socket.remoteAddress ?? "") : told;
}

/** The port of the customer's own connection; 0 where a proxy says that it stands between, whose connections are anybody's. */
export function portOf(request: IncomingMessage): number {
  return isProxied(request) ? 0 : (request.socket.remotePort ?? 0);
}

/** Whether somebody between the customer and us says so. */
export function isProxied({ headers }: IncomingMessage): boolean {
  return PROXY_FIELDS.some((name) => headers[name] !== undefined);
}

const PROXY_FIELDS = ["via", "forwarded", "x-forwarded-for"] as const;

import type { AddressInfo } from "node:net";
import type { FastifyRequest } from "fastify";

/**
 * Base URL of central for who asks, without a slash at the end: the public one, else the address at which the client reached it. Never its
 * Host header, which anybody can write (row H06).
 */
export function ownBaseUrl(publicUrl: string | undefined, request: FastifyRequest): string {
  if (publicUrl !== undefined) return publicUrl;
  const { address, port } = request.raw.socket.address() as Partial<AddressInfo>;
  // A client that left meanwhile reads no answer.
  if (address === undefined) return "http://127.0.0.1";
  const host = address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * The same for descriptions, which outlive the request: undefined if nobody said it and a proxy stands before us. Its connection tells no address
 * that customers could use.
 */
export function namedBaseUrl(
  { publicUrl, isBehindProxy }: { readonly publicUrl: string | undefined; readonly isBehindProxy: boolean },
  request: FastifyRequest,
): string | undefined {
  return publicUrl === undefined && isBehindProxy ? undefined : ownBaseUrl(publicUrl, request);
}

import { BlockList, isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { plainAddress } from "../core/remote-address.ts";
import { addressOf, isProxied } from "./request-address.ts";

/** A network whose hosts see what is the operator's business. */
export interface StatusNetwork {
  /** IP address. */
  readonly address: string;
  /** Leading bits that count. */
  readonly bits: number;
}

/** This machine alone. */
export const LOOPBACK_NETWORKS: readonly StatusNetwork[] = [
  { address: "127.0.0.0", bits: 8 },
  { address: "::1", bits: 128 },
];

/** `ADDRESS` or `ADDRESS/BITS`; undefined if it is neither. */
export function parseStatusNetwork(text: string): StatusNetwork | undefined {
  const [, address = "", given] = /^([0-9a-fA-F.:]+?)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  const width = family === 4 ? 32 : 128;
  const bits = given === undefined ? width : Number(given);
  return family === 0 || bits > width ? undefined : { address, bits };
}

/**
 * Who sees all of the status: the networks that the operator named. Everybody else sees what customers may know.
 *
 * A browser on such a host must not be lent to a page from elsewhere (row T11): by DNS rebinding a name of the page's own leads here, so the
 * request must name us by an address, as `localhost` or as the public URL does, and come from our own page or from none.
 */
export class StatusAccess {
  readonly #networks = new BlockList();
  readonly #publicHost: string | undefined;
  readonly #hasTrustedProxies: boolean;

  constructor(
    networks: readonly StatusNetwork[],
    { publicUrl, hasTrustedProxies }: { readonly publicUrl: string | undefined; readonly hasTrustedProxies: boolean },
  ) {
    for (const { address, bits } of networks) this.#networks.addSubnet(address, bits, familyOf(address));
    this.#publicHost = publicUrl === undefined ? undefined : new URL(publicUrl).host;
    this.#hasTrustedProxies = hasTrustedProxies;
  }

  isForOperator(request: FastifyRequest): boolean {
    const address = addressOf(request);
    // A named proxy may tell what is no address ("unknown", one with a port) or nothing: then the socket's address is its own.
    if (isIP(plainAddress(request.ip)) === 0) return false;
    if (this.#hasTrustedProxies && isProxied(request.raw) && (request.ips?.length ?? 0) < 2) return false;
    if (isIP(address) === 0 || !this.#networks.check(address, familyOf(address))) return false;
    // The address is a proxy's, whoever stands behind it.
    if (!this.#hasTrustedProxies && isProxied(request.raw)) return false;
    const { host, origin, "sec-fetch-site": site } = request.headers;
    if (host === undefined || !this.#isOurs(host)) return false;
    if (origin !== undefined && !this.#isSame(origin, host)) return false;
    return site === undefined || site === "same-origin" || site === "none";
  }

  /** @param host with a port or without */
  #isOurs(host: string): boolean {
    if (host === this.#publicHost) return true;
    const hostname = URL.parse(`http://${host}/`)?.hostname ?? "";
    return hostname === "localhost" || isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
  }

  #isSame(origin: string, host: string): boolean {
    const from = URL.parse(origin)?.host;
    return from !== undefined && (from === host || from === this.#publicHost);
  }
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}

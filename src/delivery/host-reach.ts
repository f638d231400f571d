import { plainAddress } from "../core/remote-address.ts";

/** From where an address can be reached. A name may lead anywhere. */
export interface HostReach {
  /** Undefined for a name. */
  readonly family: 4 | 6 | undefined;
  readonly scope: "loopback" | "private" | "public" | "name";
}

const IPV4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;
/** RFC 1918, RFC 6598, RFC 3927. */
const PRIVATE_IPV4 =
  /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.)/;
/** RFC 4193, RFC 4291 §2.5.6. */
const PRIVATE_IPV6 = /^f(?:[cd]|e[89ab])/i;

/** @param host an IP address, in brackets or not, or a name */
export function reachOf(host: string): HostReach {
  const plain = plainAddress(host.replace(/^\[|\]$/g, ""));
  if (IPV4.test(plain)) {
    return {
      family: 4,
      scope: plain.startsWith("127.") ? "loopback" : PRIVATE_IPV4.test(plain) ? "private" : "public",
    };
  }
  if (!plain.includes(":")) return { family: undefined, scope: plain === "localhost" ? "loopback" : "name" };
  return { family: 6, scope: plain === "::1" ? "loopback" : PRIVATE_IPV6.test(plain) ? "private" : "public" };
}

/** Whether a customer at one address may hope to reach a volunteer at the other: not from outside into a private network. */
export function canReach(from: HostReach, to: HostReach): boolean {
  if (to.scope === "loopback") return from.scope === "loopback";
  return to.scope !== "private" || from.scope !== "public";
}

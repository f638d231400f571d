import { plainAddress } from "../core/remote-address.ts";

/** From where an address can be reached. A name may lead anywhere. */
export interface HostReach {
  /** Undefined for a name. */
  readonly family: 4 | 6 | undefined;
  readonly scope: "loopback" | "private" | "public" | "name";
}

const IPV4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;
/** RFC 1122 §3.2.1.3: also 0.0.0.0, to which a connection ends at the own machine. */
const LOOPBACK_IPV4 = /^(?:127|0)\./;
/** RFC 1918, RFC 6598, RFC 3927. */
const PRIVATE_IPV4 =
  /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.)/;
/** RFC 6761 §6.3. */
const LOOPBACK_NAME = /^(?:.*\.)?localhost\.?$/i;

/** @param host an IP address, in brackets or not, or a name */
export function reachOf(host: string): HostReach {
  const plain = plainAddress(host.replace(/^\[|\]$/g, ""));
  if (IPV4.test(plain)) return { family: 4, scope: scopeOfIPv4(plain) };
  if (plain.includes(":")) return reachOfIPv6(plain);
  return { family: undefined, scope: LOOPBACK_NAME.test(plain) ? "loopback" : "name" };
}

/** Whether a customer at one address may hope to reach a volunteer at the other: not from outside into a private network. */
export function canReach(from: HostReach, to: HostReach): boolean {
  if (to.scope === "loopback") return from.scope === "loopback";
  return to.scope !== "private" || from.scope !== "public";
}

function scopeOfIPv4(address: string): HostReach["scope"] {
  if (LOOPBACK_IPV4.test(address)) return "loopback";
  return PRIVATE_IPV4.test(address) ? "private" : "public";
}

/** An IPv4 address inside an IPv6 one leads where that leads. */
function reachOfIPv6(address: string): HostReach {
  const groups = groupsOf(address);
  const [first = 0, second = 0] = groups;
  const inLow = `${groups[6]! >> 8}.${groups[6]! & 255}.${groups[7]! >> 8}.${groups[7]! & 255}`;
  if (groups.slice(0, 5).every(isZero)) {
    // RFC 4291 §2.5.5.2: mapped, so IPv4 is spoken.
    if (groups[5] === 0xffff) return { family: 4, scope: scopeOfIPv4(inLow) };
    // RFC 4291 §2.5.2, §2.5.3 and §2.5.5.1: unspecified, loopback, compatible; `::1` reads as 0.0.0.1 here.
    if (groups[5] === 0) return { family: 6, scope: scopeOfIPv4(inLow) };
  }
  // RFC 6052, RFC 8215: NAT64.
  if (first === 0x64 && second === 0xff9b)
    return { family: 6, scope: groups[2] === 0 ? scopeOfIPv4(inLow) : "private" };
  // RFC 3056: 6to4.
  if (first === 0x2002) return { family: 6, scope: scopeOfIPv4(`${second >> 8}.${second & 255}.${groups[2]! >> 8}.0`) };
  // RFC 4193, RFC 4291 §2.5.6, RFC 3879.
  const isPrivate = (first & 0xfe00) === 0xfc00 || (first & 0xff80) === 0xfe80;
  return { family: 6, scope: isPrivate ? "private" : "public" };
}

const isZero = (group: number): boolean => group === 0;

/** The eight groups of an IPv6 address in any of its forms (RFC 4291 §2.2). */
function groupsOf(address: string): readonly number[] {
  const [head = "", tail] = address.split("%", 1)[0]!.split("::");
  const left = groupsIn(head);
  const right = groupsIn(tail ?? "");
  const zeros = Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0);
  return [...left, ...zeros, ...right, ...zeros].slice(0, 8);
}

function groupsIn(part: string): readonly number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!IPV4.test(group)) return [parseInt(group, 16) || 0];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

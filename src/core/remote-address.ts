/** An address as people and trackers write it: IPv4 in its own form, also where an IPv6 socket shows it mapped. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}

/**
 * Whom an address counts to where shares and bans go by address: an IPv4 address is a host or a NAT, but an IPv6 host has a whole /64 to
 * itself (RFC 4291 §2.5.4), so that counts as one.
 */
export function addressGroup(address: string): string {
  const plain = plainAddress(address);
  return plain.includes(":") ? prefixOf(plain, 4) : plain;
}

/**
 * The network of an address, where several must agree that are not likely one person's: of IPv4 a /24, the smallest that is routed, of IPv6 a
 * /48, which is what a site gets (RFC 6177).
 */
export function addressNetwork(address: string): string {
  const plain = plainAddress(address);
  return ipv6Site(plain) ?? `${plain.slice(0, plain.lastIndexOf("."))}.0/24`;
}

/** The /48 of an IPv6 address, which is what one customer of a provider gets (RFC 6177): 65,536 /64s. Undefined for IPv4. */
export function ipv6Site(address: string): string | undefined {
  const plain = plainAddress(address);
  return plain.includes(":") ? prefixOf(plain, 3) : undefined;
}

/** @param count of groups of 16 bits */
function prefixOf(address: string, count: number): string {
  const [head = "", tail] = address.split("%", 1)[0]!.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(Math.max(0, zeros)).fill("0"), ...right].slice(0, count);
  return `${groups.map((group) => parseInt(group, 16).toString(16)).join(":")}::/${16 * count}`;
}

import { lookup } from "node:dns/promises";
import { BlockList, createServer, isIP } from "node:net";
import type { Random } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { CentralError } from "./errors.ts";

/** Sockets take them, but no connection comes from one. */
const NO_ADDRESSES = new BlockList();
NO_ADDRESSES.addAddress("0.0.0.0");
NO_ADDRESSES.addAddress("255.255.255.255");
NO_ADDRESSES.addAddress("::", "ipv6");
NO_ADDRESSES.addSubnet("224.0.0.0", 4);
NO_ADDRESSES.addSubnet("ff00::", 8, "ipv6");

/**
 * Addresses of this host that audits come from (`--audit-from`): others than the one that volunteers announce to, because that one
 * tells an audit from a customer.
 */
export class AuditAddresses {
  readonly #addresses: readonly string[];

  private constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  /** @throws CentralError `bad-audit-address` if one is not this host's, unspecified, or many hosts' */
  static async open(addresses: readonly string[]): Promise<AuditAddresses> {
    for (const address of addresses) {
      if (NO_ADDRESSES.check(address, isIP(address) === 6 ? "ipv6" : "ipv4"))
        throw badAddress(address, "not of one host");
      await tryAddress(address);
    }
    return new AuditAddresses(addresses);
  }

  /** One for a request to this host, which may be a name; undefined: none is of its family, the system chooses. */
  async drawFor(host: string, random: Random): Promise<string | undefined> {
    if (this.#addresses.length === 0) return undefined;
    const families = await familiesOf(host);
    const usable = this.#addresses.filter((address) => families.has(isIP(address)));
    return usable[Math.floor(random() * usable.length)];
  }
}

/** @param host as in a URL, so of IPv6 in brackets */
async function familiesOf(host: string): Promise<ReadonlySet<number>> {
  const plain = host.replace(/^\[|\]$/g, "");
  if (isIP(plain) !== 0) return new Set([isIP(plain)]);
  // A name that leads nowhere is told by the request.
  const found = await lookup(plain, { all: true }).catch(() => []);
  return new Set(found.map(({ family }) => family));
}

/** The kernel knows best which addresses are its own. */
async function tryAddress(address: string): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen({ host: address, port: 0, exclusive: true }, resolve);
    });
  } catch (error) {
    throw badAddress(address, messageOf(error), error);
  } finally {
    server.close();
  }
}

function badAddress(address: string, problem: string, cause?: unknown): CentralError {
  const message = `expected an address of this host to audit from, got ${address}: ${problem}`;
  return new CentralError("bad-audit-address", message, { cause });
}

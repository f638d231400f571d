import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

let networks = 0;

/** A host with its own address, interface and counters on this machine. */
export interface TestHost {
  readonly name: string;
  readonly address: string;
  /** In the same network, IPv6. */
  readonly address6: string;
  /** Words to put before a command so that it runs on this host. */
  readonly enter: readonly string[];
  /** Its end of the line to the switch. */
  readonly uplink: LinkEnd;
  /** The switch's end: what leaves here reaches the host. */
  readonly downlink: LinkEnd;
  /** Calls from this host to that address and TCP port fail at once, as behind a strict firewall. */
  forbid(target: { readonly address: string; readonly port: number }): void;
  /** Calls from other hosts to this TCP port get no answer, as behind a NAT. */
  hide(port: number): void;
  /** Bytes that left and reached the host's interface since it exists (link layer, headers included). */
  counters(): { readonly sentBytes: number; readonly receivedBytes: number };
}

/** One end of a line, for {@link changeRate} and the like. */
export interface LinkEnd {
  readonly namespace: string;
  readonly device: string;
}

/** What a host can send and receive. */
export interface LinkRates {
  readonly up: string;
  readonly down: string;
}

/** Several hosts on one switch: network namespaces joined by veth pairs to a bridge in a namespace of its own. */
export class TestNetwork implements Disposable {
  readonly #namespaces: string[] = [];
  readonly #prefix: string;
  readonly #subnet: number;
  readonly #bridge: string;

  /** Needs root and iproute2. */
  constructor() {
    networks++;
    this.#prefix = `prs${process.pid}n${networks}`;
    this.#subnet = (process.pid + networks) % 250;
    this.#bridge = this.#addNamespace("sw");
    ip("-n", this.#bridge, "link", "add", "br0", "type", "bridge");
    ip("-n", this.#bridge, "link", "set", "br0", "up");
  }

  /** @param rate both directions or each, in the words of tc ("20mbit"); none: as fast as the machine */
  addHost(name: string, rate?: string | LinkRates): TestHost {
    const namespace = this.#addNamespace(name);
    const index = this.#namespaces.length;
    const address = `10.77.${this.#subnet}.${index}`;
    const address6 = `fd00:77:${this.#subnet}::${index}`;
    const port = `p${index}`;
    ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", port, "netns", this.#bridge);
    ip("-n", this.#bridge, "link", "set", port, "master", "br0", "up");
    ip("-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
    // Without the check for duplicates, during which the address can't be used.
    ip("-n", namespace, "address", "add", `${address6}/64`, "dev", "eth0", "nodad");
    ip("-n", namespace, "link", "set", "eth0", "up");
    if (rate !== undefined) {
      const { up, down } = typeof rate === "string" ? { up: rate, down: rate } : rate;
      shape(namespace, "eth0", up);
      shape(this.#bridge, port, down);
    }
    return {
      name,
      address,
      address6,
      enter: ["ip", "netns", "exec", namespace],
      uplink: { namespace, device: "eth0" },
      downlink: { namespace: this.#bridge, device: port },
      forbid: (target) => {
        const family = target.address.includes(":") ? ["-6"] : [];
        const where = ["to", target.address, "ipproto", "tcp", "dport", String(target.port)];
        ip(...family, "-n", namespace, "rule", "add", ...where, "prohibit");
      },
      hide: (hidden) => hidePort(namespace, hidden),
      counters: () => ({ sentBytes: counter(namespace, "tx_bytes"), receivedBytes: counter(namespace, "rx_bytes") }),
    };
  }

  [Symbol.dispose](): void {
    for (const namespace of this.#namespaces.splice(0)) ip("netns", "delete", namespace);
  }

  #addNamespace(name: string): string {
    const namespace = `${this.#prefix}${name}`;
    ip("netns", "add", namespace);
    this.#namespaces.push(namespace);
    ip("-n", namespace, "link", "set", "lo", "up");
    return namespace;
  }
}

function shape(namespace: string, device: string, rate: string): void {
  const words = ["qdisc", "add", "dev", device, "root", "tbf", "rate", rate, "burst", "64kb", "latency", "50ms"];
  execFileSync("ip", ["netns", "exec", namespace, "tc", ...words]);
}

/** Local addresses are looked up before any rule, so that look-up has to make room. */
function hidePort(namespace: string, port: number): void {
  const rule = ["-n", namespace, "rule"];
  ip(...rule, "add", "pref", "10", "lookup", "local");
  ip(...rule, "delete", "pref", "0");
  ip(...rule, "add", "pref", "5", "iif", "eth0", "ipproto", "tcp", "dport", String(port), "blackhole");
}

function counter(namespace: string, name: string): number {
  const path = `/sys/class/net/eth0/statistics/${name}`;
  return Number(execFileSync("ip", ["netns", "exec", namespace, "cat", path], { encoding: "utf8" }));
}

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });
}

/** True where namespaces can be made: root with iproute2 installed. */
export function canMakeNetworks(): boolean {
  try {
    execFileSync("ip", ["-V"], { stdio: "ignore" });
    return process.getuid?.() === 0 && /CapEff:\s*0*[1-9a-f]/.test(readFileSync("/proc/self/status", "utf8"));
  } catch {
    return false;
  }
}

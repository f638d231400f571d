import { execFileSync } from "node:child_process";
import { type LinkEnd, TestNetwork, type TestHost } from "../../test/support/network.ts";

/** Lines of customers: none is asked to carry two downloads while another is free. */
export const CUSTOMER_LINES = 48;
/** Customers' addresses: 10.128.0.0/9, a line has a /16 of its own, which central takes for a site of its own. */
const CUSTOMERS_NET = "10.128.0.0/9";
const FIRST_LINE = 128;
/** What waits on a customer's line, as in a home router; without a limit TCP would fill seconds of it. */
const LINE_QUEUE = "100kb";

/** Bits per second. */
export interface ReleaseDayLines {
  readonly central: number;
  readonly mirrorDown: number;
  readonly mirrorUp: number;
  /** Of each customer, down. */
  readonly customer: number;
}

/** Central and mirrors on hosts with shaped links, and a host that stands for all customers, with a line down for each. Needs root and iproute2. */
export class ReleaseDayNetwork implements Disposable {
  readonly central: TestHost;
  readonly mirrors: readonly TestHost[];
  readonly customers: TestHost;
  readonly #network = new TestNetwork();

  constructor(mirrors: number, lines: ReleaseDayLines) {
    const { central, mirrorDown, mirrorUp, customer } = lines;
    this.central = this.#network.addHost("central", { up: `${central}bit`, down: `${central}bit` });
    const rates = { up: `${mirrorUp}bit`, down: `${mirrorDown}bit` };
    this.mirrors = Array.from({ length: mirrors }, (_, at) => this.#network.addHost(`m${at}`, rates));
    this.customers = this.#network.addHost("customers");
    ip(this.customers.uplink.namespace, "route", "add", "local", CUSTOMERS_NET, "dev", "lo");
    for (const { uplink } of [this.central, ...this.mirrors])
      ip(uplink.namespace, "route", "add", CUSTOMERS_NET, "via", this.customers.address);
    shapeLines(this.customers.downlink, customer);
  }

  [Symbol.dispose](): void {
    this.#network[Symbol.dispose]();
  }
}

/** An address of its own for each customer on a line. @param line below {@link CUSTOMER_LINES} @param customer below 60,000 */
export function customerAddress(line: number, customer: number): string {
  return `10.${FIRST_LINE + line}.${1 + Math.floor(customer / 250)}.${1 + (customer % 250)}`;
}

function shapeLines({ namespace, device }: LinkEnd, bitsPerSecond: number): void {
  tc(namespace, "qdisc", "add", "dev", device, "root", "handle", "1:", "htb");
  for (let line = 0; line < CUSTOMER_LINES; line++) {
    const id = (line + 1).toString(16);
    const rate = `${bitsPerSecond}bit`;
    tc(namespace, "class", "add", "dev", device, "parent", "1:", "classid", `1:${id}`, "htb", "rate", rate);
    tc(namespace, "qdisc", "add", "dev", device, "parent", `1:${id}`, "bfifo", "limit", LINE_QUEUE);
    const match = ["match", "ip", "dst", `10.${FIRST_LINE + line}.0.0/16`, "flowid", `1:${id}`];
    tc(namespace, "filter", "add", "dev", device, "parent", "1:", "protocol", "ip", "u32", ...match);
  }
}

function tc(namespace: string, ...words: string[]): void {
  execFileSync("ip", ["netns", "exec", namespace, "tc", ...words], { stdio: ["ignore", "ignore", "pipe"] });
}

function ip(namespace: string, ...words: string[]): void {
  execFileSync("ip", ["-n", namespace, ...words], { stdio: ["ignore", "ignore", "pipe"] });
}

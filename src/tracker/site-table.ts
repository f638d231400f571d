import { TrackerError } from "./errors.ts";

/** Where a volunteer stands if nobody says so: the first 16 bits of an IPv4 address, 48 of an IPv6 one. */
const DEFAULT_BITS = { 4: 16, 6: 48 } as const;

interface Address {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

interface Row {
  readonly prefix: Address;
  readonly length: number;
  readonly site: string;
}

/** Names of sites by address. */
export class SiteTable {
  /** Longest prefixes first. */
  readonly #rows: readonly Row[];

  constructor(rows: readonly Row[] = []) {
    this.#rows = [...rows].sort((a, b) => b.length - a.length);
  }

  /** The name in the table, else the default prefix as text, like `192.0.0.0/16`. @param host an IP address */
  siteOf(host: string): string | undefined {
    const address = parseAddress(host);
    if (address === undefined) return undefined;
    const row = this.#rows.find(({ prefix, length }) => isWithin(address, prefix, length));
    return row?.site ?? prefixText(address);
  }
}

/**
 * Reads a table: one `PREFIX/BITS NAME` per line, `#` begins a comment; the longest prefix wins. All problems at once.
 *
 * @throws TrackerError `bad-site-table`
 */
export function parseSiteTable(text: string): SiteTable {
  const problems: string[] = [];
  const rows = text.split("\n").flatMap((line, index) => {
    const content = line.replace(/#.*/, "").trim();
    if (content === "") return [];
    const row = parseRow(content);
    if (row === undefined) problems.push(`line ${index + 1}: expected "ADDRESS/BITS NAME", got "${content}"`);
    return row === undefined ? [] : [row];
  });
  if (problems.length > 0) throw new TrackerError("bad-site-table", `site table: ${problems.join("; ")}`);
  return new SiteTable(rows);
}

function parseRow(content: string): Row | undefined {
  const [, host = "", bits = "", site = ""] = /^([0-9a-fA-F.:]+)\/(\d{1,3})\s+([^\p{C}]{1,64})$/u.exec(content) ?? [];
  const prefix = parseAddress(host);
  const length = Number(bits);
  if (prefix === undefined || bits === "" || length > widthOf(prefix.family)) return undefined;
  return { prefix, length, site };
}

function isWithin(address: Address, prefix: Address, length: number): boolean {
  const shift = BigInt(widthOf(address.family) - length);
  return address.family === prefix.family && address.bits >> shift === prefix.bits >> shift;
}

function widthOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

function prefixText({ family, bits }: Address): string {
  const length = DEFAULT_BITS[family];
  const kept = bits >> BigInt(widthOf(family) - length);
  if (family === 4) return `${kept >> 8n}.${kept & 255n}.0.0/${length}`;
  const groups = [kept >> 32n, (kept >> 16n) & 0xffffn, kept & 0xffffn];
  return `${groups.map((group) => group.toString(16)).join(":")}::/${length}`;
}

/** IPv4, IPv6, IPv4 within IPv6, a zone ignored. */
function parseAddress(host: string): Address | undefined {
  const text = host.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4 !== null) {
    const bytes = v4.slice(1).map(Number);
    if (bytes.some((byte) => byte > 255)) return undefined;
    return { family: 4, bits: bytes.reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n) };
  }
  const halves = text.split("::");
  if (!text.includes(":") || halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return undefined;
  const groups = [...head, ...Array<string>(zeros).fill("0"), ...tail];
  if (groups.some((group) => !/^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return { family: 6, bits: groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n) };
}

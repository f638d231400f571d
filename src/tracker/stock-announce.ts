import { encodeBencode, type BencodeValue } from "../codec/bencode.ts";
import { parseByteQuery, readAnnounceQuery, readIdParameter, type AnnounceQuery } from "./announce-query.ts";
import { MAX_PEERS } from "./choose-peers.ts";

/** An announce of a stock client (BEP 3). Its `ip` parameter is ignored: it could name a victim (row T03). */
export interface StockAnnounce extends AnnounceQuery {
  /** 40 hex digits. */
  readonly infoHash: string;
  /** Peers wanted, 0 … 50. */
  readonly wanted: number;
  /** BEP 23; the default here as almost everywhere. */
  readonly isCompact: boolean;
}

/** @throws TrackerError `bad-announce` */
export function parseStockAnnounce(query: string): StockAnnounce {
  const parameters = parseByteQuery(query);
  const numwant = parameters.get("numwant");
  return {
    ...readAnnounceQuery(parameters),
    infoHash: readIdParameter(parameters, "info_hash"),
    wanted: numwant !== undefined && /^\d+$/.test(numwant) ? Math.min(Number(numwant), MAX_PEERS) : MAX_PEERS,
    isCompact: parameters.get("compact") !== "0",
  };
}

/** Where a peer can be reached: an IP address and a port. */
export interface StockPeer {
  readonly host: string;
  readonly port: number;
}

/** What a stock client is told: BEP 3, BEP 23 (`peers` compact) and BEP 7 (`peers6`). */
export interface StockAnswer {
  readonly intervalSeconds: number;
  readonly seeds: number;
  readonly leechers: number;
  readonly peers: readonly StockPeer[];
  readonly isCompact: boolean;
}

export function encodeStockAnswer(answer: StockAnswer): Uint8Array {
  const packed = answer.peers.map(packPeer);
  const fields = new Map<string, BencodeValue>([
    ["complete", answer.seeds],
    ["incomplete", answer.leechers],
    ["interval", answer.intervalSeconds],
  ]);
  if (answer.isCompact) {
    fields.set("peers", Buffer.concat(packed.filter((peer) => peer.length === 6)));
    const six = packed.filter((peer) => peer.length === 18);
    if (six.length > 0) fields.set("peers6", Buffer.concat(six));
  } else {
    fields.set(
      "peers",
      answer.peers.map(
        ({ host, port }) =>
          new Map<string, BencodeValue>([
            ["ip", Buffer.from(host)],
            ["port", port],
          ]),
      ),
    );
  }
  return encodeBencode(fields);
}

/** BEP 3: the only other answer a tracker has. */
export function encodeStockFailure(reason: string): Uint8Array {
  return encodeBencode(new Map([["failure reason", Buffer.from(reason, "utf8")]]));
}

/** 4 or 16 bytes of address and 2 of port, big-endian; empty if `host` is no address. */
function packPeer({ host, port }: StockPeer): Buffer {
  const address = host.includes(":") ? packIpv6(host) : packIpv4(host);
  return address === undefined ? Buffer.alloc(0) : Buffer.from([...address, port >> 8, port & 0xff]);
}

function packIpv4(host: string): readonly number[] | undefined {
  const parts = host.split(".");
  const bytes = parts.map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  return bytes.length === 4 && bytes.every((byte) => byte < 256) ? bytes : undefined;
}

/** Text of RFC 4291 §2.2 (forms 1 and 2; sockets give no others once mapped addresses are unwrapped). */
function packIpv6(host: string): readonly number[] | undefined {
  const [head = "", tail, ...more] = host.split("%", 1)[0]!.split("::");
  if (more.length > 0) return undefined;
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array<string>(missing).fill("0"), ...right];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}

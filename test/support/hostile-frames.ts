import type { PieceGeometry, WireRefusalReason } from "../../src/swarm/wire/frame-rules.ts";
import { extendedFrame, frame, prefix, repeat, uint32Bytes } from "./wire-frames.ts";

/**
 * How far the connection is when the bytes come: connected; handshake done; extended handshake (a volunteer's) done;
 * admitted, with or without the fast extension.
 */
export type HostileMoment = "connected" | "handshake-done" | "extended-done" | "admitted" | "admitted-without-fast";

export interface HostileFrames {
  readonly name: string;
  readonly moment: HostileMoment;
  readonly bytes: (geometry: PieceGeometry) => Buffer;
  /** Why the connection ends; `nothing`: it goes on. */
  readonly expected: WireRefusalReason | "nothing";
}

type Row = readonly [string, WireRefusalReason | "nothing", (geometry: PieceGeometry) => Buffer];

const K16 = 16384;
const text = (ascii: string): Buffer => Buffer.from(ascii, "latin1");
const fieldBytes = ({ pieceCount }: PieceGeometry): number => Math.ceil(pieceCount / 8);
const nonce = `d5:nonce32:${"n".repeat(32)}e`;
const manyExtensions = Array.from({ length: 65 }, (_, i) => `3:x${String(i).padStart(2, "0")}i${i + 1}e`).join("");
const sig = `3:sig64:${"s".repeat(64)}`;

const CONNECTED: readonly Row[] = [
  ["an HTTP request", "not-bittorrent", () => text("GET / HTTP/1.1\r\n\r\n")],
  ["a TLS client hello", "not-bittorrent", () => Buffer.from("1603010200010001fc0303", "hex")],
  ["zeros", "not-bittorrent", () => Buffer.alloc(100)],
  ["a protocol name of 20 bytes", "not-bittorrent", () => text("\x14BitTorrent protocolx" + "\0".repeat(60))],
  ["another protocol of 19 bytes", "not-bittorrent", () => text("\x13BitTorrent protocoL" + "\0".repeat(60))],
];

const HANDSHAKE_DONE: readonly Row[] = [
  ["keep-alive before admission", "early-frame", () => uint32Bytes(0)],
  ["unchoke before admission", "early-frame", () => frame(1)],
  ["have before admission", "early-frame", () => frame(4, 0)],
  ["bitfield before admission", "early-frame", (g) => frame(5, Buffer.alloc(fieldBytes(g)))],
  ["request before admission", "early-frame", () => frame(6, 0, 0, K16)],
  ["piece before admission", "early-frame", () => prefix(9 + K16, 7)],
  ["pass before the extended handshake", "early-frame", () => extendedFrame(1, `d4:pass1:p${sig}e`)],
  ["metadata before the extended handshake", "early-frame", () => extendedFrame(2, "d8:msg_typei0e5:piecei0ee")],
  ["length 2^32-1", "frame-length", () => prefix(2 ** 32 - 1, 20)],
  ["length 2^31", "frame-length", () => prefix(2 ** 31, 20)],
  ["length 2^31-1", "frame-length", () => prefix(2 ** 31 - 1, 20)],
  ["length 2^20+1", "frame-length", () => prefix(2 ** 20 + 1, 20)],
  ["extended handshake above 64 KiB", "frame-length", () => prefix(65537, 20)],
  ["extended without an extension id", "frame-length", () => frame(20)],
  ["extended handshake empty", "bad-extended", () => extendedFrame(0, "")],
  ["extended handshake l-3: (kills the library)", "bad-extended", () => extendedFrame(0, "l-3:")],
  ["extended handshake d-3: (loops in the library)", "bad-extended", () => extendedFrame(0, "d-3:")],
  ["extended handshake d1:al-3:e", "bad-extended", () => extendedFrame(0, "d1:al-3:e")],
  ["extended handshake nested 60,000 deep", "bad-extended", () => extendedFrame(0, "l".repeat(60_000))],
  ["extended handshake of 20,000 empty strings", "bad-extended", () => extendedFrame(0, `l${"0:".repeat(20_000)}e`)],
  ["extended handshake a list", "bad-extended", () => extendedFrame(0, "le")],
  ["extended handshake a number", "bad-extended", () => extendedFrame(0, "i1e")],
  ["extended handshake truncated string", "bad-extended", () => extendedFrame(0, "d1:v9:abce")],
  ["extended handshake leading zero", "bad-extended", () => extendedFrame(0, "d1:pi007ee")],
  ["extended handshake -0", "bad-extended", () => extendedFrame(0, "d1:pi-0ee")],
  ["extended handshake float", "bad-extended", () => extendedFrame(0, "d1:pi1.5ee")],
  ["extended handshake number of 400 digits", "bad-extended", () => extendedFrame(0, `d1:pi${"9".repeat(400)}ee`)],
  ["extended handshake duplicate key", "bad-extended", () => extendedFrame(0, "d1:pi1e1:pi2ee")],
  ["extended handshake unsorted keys", "bad-extended", () => extendedFrame(0, "d1:v1:a1:pi2ee")],
  ["extended handshake trailing bytes", "bad-extended", () => extendedFrame(0, "dex")],
  ["extended handshake __proto__", "bad-extended", () => extendedFrame(0, "d9:__proto__d1:mi1eee")],
  ["extended handshake __proto__ in m", "bad-extended", () => extendedFrame(0, "d1:md9:__proto__i1eee")],
  ["extended handshake key that is not text", "bad-extended", () => extendedFrame(0, "d1:\xffi1ee")],
  ["extended handshake m a list", "bad-extended", () => extendedFrame(0, "d1:mlee")],
  ["extended handshake m a string", "bad-extended", () => extendedFrame(0, "d1:m3:abce")],
  ["extended handshake m with toString", "bad-extended", () => extendedFrame(0, "d1:md1:xd8:toStringi1eeee")],
  ["extended handshake id -1", "bad-extended", () => extendedFrame(0, "d1:md1:xi-1eee")],
  ["extended handshake id 256", "bad-extended", () => extendedFrame(0, "d1:md1:xi256eee")],
  ["extended handshake id a string", "bad-extended", () => extendedFrame(0, "d1:md1:x1:1ee")],
  ["extended handshake 65 extensions", "bad-extended", () => extendedFrame(0, `d1:md${manyExtensions}ee`)],
  ["extended handshake metadata_size -1", "bad-extended", () => extendedFrame(0, "d13:metadata_sizei-1ee")],
  ["extended handshake metadata_size 2^40", "bad-extended", () => extendedFrame(0, "d13:metadata_sizei1099511627776ee")],
  ["extended handshake prsync without a nonce", "bad-extended", () => extendedFrame(0, "d6:prsyncdee")],
  ["extended handshake nonce of 31 bytes", "bad-extended", () => extendedFrame(0, `d6:prsyncd5:nonce31:${"n".repeat(31)}ee`)],
]; // prettier-ignore

const EXTENDED_DONE: readonly Row[] = [
  ["unchoke before the pass", "early-frame", () => frame(1)],
  ["have-all before the pass", "early-frame", () => frame(14)],
  ["a second extended handshake", "early-frame", () => extendedFrame(0, `d1:md6:prsynci1ee6:prsync${nonce}e`)],
  ["metadata before the pass", "early-frame", () => extendedFrame(2, "d8:msg_typei0e5:piecei0ee")],
  ["unknown extension before the pass", "early-frame", () => extendedFrame(99, "de")],
  ["extended above 20 KiB", "frame-length", () => prefix(20 * 1024 + 1, 20)],
  ["pass not bencode", "bad-extended", () => extendedFrame(1, "l-3:")],
  ["pass empty", "bad-extended", () => extendedFrame(1, "de")],
  ["pass without signature", "bad-extended", () => extendedFrame(1, "d4:pass1:pe")],
  ["pass with a signature of 63 bytes", "bad-extended", () => extendedFrame(1, `d4:pass1:p3:sig63:${"s".repeat(63)}e`)],
  ["pass a number", "bad-extended", () => extendedFrame(1, `d4:passi1e${sig}e`)],
  ["pass of 5,000 bytes", "bad-extended", () => extendedFrame(1, `d4:pass5000:${"p".repeat(5000)}${sig}e`)],
  ["pass with a NUL", "bad-extended", () => extendedFrame(1, `d4:pass1:\0${sig}e`)],
]; // prettier-ignore

const ADMITTED: readonly Row[] = [
  ["length 2^32-1 (a keep-alive to the library)", "frame-length", () => uint32Bytes(2 ** 32 - 1)],
  ["length 2^31", "frame-length", () => uint32Bytes(2 ** 31)],
  ["length 2^31-1", "frame-length", () => uint32Bytes(2 ** 31 - 1)],
  ["length 2^20+1", "frame-length", () => uint32Bytes(2 ** 20 + 1)],
  ["choke of 2 bytes", "frame-length", () => prefix(2, 0)],
  ["unchoke of 2^16 bytes", "frame-length", () => prefix(65536, 1)],
  ["interested of 2 bytes", "frame-length", () => prefix(2, 2)],
  ["uninterested of 2 bytes", "frame-length", () => prefix(2, 3)],
  ["have of 4 bytes", "frame-length", () => prefix(4, 4)],
  ["have of 6 bytes", "frame-length", () => prefix(6, 4)],
  ["have out of range", "frame-range", (g) => frame(4, g.pieceCount)],
  ["have 2^31", "frame-range", () => frame(4, 2 ** 31)],
  ["have 2^32-1", "frame-range", () => frame(4, 2 ** 32 - 1)],
  ["haves without end", "flood", (g) => repeat(frame(4, 0), g.pieceCount + 1001)],
  ["bitfield too long", "frame-length", (g) => prefix(2 + fieldBytes(g), 5)],
  ["bitfield too short", "frame-length", (g) => prefix(fieldBytes(g), 5)],
  ["bitfield of 100 MB", "frame-length", () => prefix(100_000_001, 5)],
  ["bitfield with spare bits", "frame-range", (g) => frame(5, Buffer.alloc(fieldBytes(g), 0xff))],
  ["bitfield twice", "held-twice", (g) => repeat(frame(5, Buffer.alloc(fieldBytes(g))), 2)],
  ["bitfield after have", "held-twice", (g) => Buffer.concat([frame(4, 0), frame(5, Buffer.alloc(fieldBytes(g)))])],
  ["have-all after bitfield", "held-twice", (g) => Buffer.concat([frame(5, Buffer.alloc(fieldBytes(g))), frame(14)])],
  ["have-none after have-all", "held-twice", () => Buffer.concat([frame(14), frame(15)])],
  ["request of 12 bytes", "frame-length", () => prefix(12, 6)],
  ["request of 14 bytes", "frame-length", () => prefix(14, 6)],
  ["request of length 0", "frame-range", () => frame(6, 0, 0, 0)],
  ["request of length 16 KiB + 1", "frame-range", () => frame(6, 0, 0, K16 + 1)],
  ["request of length 2^20", "frame-range", () => frame(6, 0, 0, 2 ** 20)],
  ["request of length -1", "frame-range", () => frame(6, 0, 0, 2 ** 32 - 1)],
  ["request past the piece", "frame-range", (g) => frame(6, 0, g.pieceLength - 1, 2)],
  ["request at 2^32-1", "frame-range", () => frame(6, 0, 2 ** 32 - 1, 1)],
  ["request of a piece out of range", "frame-range", (g) => frame(6, g.pieceCount, 0, 1)],
  ["request of piece -1", "frame-range", () => frame(6, 2 ** 32 - 1, 0, 1)],
  ["a few requests while choked", "nothing", () => repeat(frame(6, 0, 0, K16), 100)],
  ["requests while choked without end", "flood", () => repeat(frame(6, 0, 0, K16), 5001)],
  ["piece without a block", "frame-length", () => prefix(9, 7)],
  ["piece above 16 KiB", "frame-length", () => prefix(9 + K16 + 1, 7)],
  ["piece out of range", "frame-range", (g) => frame(7, g.pieceCount, 0, Buffer.alloc(1))],
  ["piece past its end", "frame-range", (g) => frame(7, 0, g.pieceLength, Buffer.alloc(1))],
  ["a few pieces that nobody asked for", "nothing", () => repeat(frame(7, 0, 0, Buffer.alloc(1)), 50)],
  ["cancel of 5 bytes", "frame-length", () => prefix(5, 8)],
  ["cancel out of range", "frame-range", (g) => frame(8, g.pieceCount, 0, 1)],
  ["cancels without end", "flood", () => repeat(frame(8, 0, 0, K16), 5001)],
  ["port of 5 bytes", "frame-length", () => prefix(5, 9)],
  ["port of 3 bytes", "nothing", () => frame(9, Buffer.of(1, 2))],
  ["suggest out of range", "frame-range", (g) => frame(13, g.pieceCount)],
  ["have-all of 2 bytes", "frame-length", () => prefix(2, 14)],
  ["have-none of 2 bytes", "frame-length", () => prefix(2, 15)],
  ["reject out of range", "frame-range", (g) => frame(16, g.pieceCount, 0, 1)],
  ["reject of 5 bytes", "frame-length", () => prefix(5, 16)],
  ["allowed-fast out of range", "frame-range", () => frame(17, 2 ** 31)],
  ["unknown messages", "nothing", () => repeat(frame(21, Buffer.alloc(100)), 100)],
  ["unknown messages without end", "flood", () => repeat(frame(200), 101)],
  ["unknown message above 20 KiB", "frame-length", () => prefix(20 * 1024 + 1, 77)],
  ["hash requests of BEP 52 without end", "flood", () => repeat(frame(21, Buffer.alloc(48)), 101)],
  ["keep-alives without end", "flood", () => repeat(uint32Bytes(0), 601)],
  ["chokes without end", "flood", () => repeat(frame(0), 601)],
  ["extended above 20 KiB", "frame-length", () => prefix(20 * 1024 + 1, 20)],
  ["unknown extension", "nothing", () => extendedFrame(99, "l-3:")],
  ["unknown extensions without end", "flood", () => repeat(extendedFrame(99, "l-3:"), 101)],
  ["a late extended handshake l-3:", "bad-extended", () => extendedFrame(0, "l-3:")],
  ["extended handshakes without end", "flood", () => repeat(extendedFrame(0, "de"), 9)],
  ["metadata not bencode", "bad-extended", () => extendedFrame(2, "l-3:")],
  ["metadata without msg_type", "bad-extended", () => extendedFrame(2, "d5:piecei0ee")],
  ["metadata piece -1", "bad-extended", () => extendedFrame(2, "d8:msg_typei0e5:piecei-1ee")],
  ["metadata piece 2^32", "bad-extended", () => extendedFrame(2, "d8:msg_typei0e5:piecei4294967296ee")],
  ["metadata block too short", "bad-extended", () => extendedFrame(2, "d8:msg_typei1e5:piecei0e10:total_sizei9eex")],
  ["metadata request with a tail", "bad-extended", () => extendedFrame(2, "d8:msg_typei0e5:piecei0eex")],
  ["metadata of a later version", "nothing", () => extendedFrame(2, "d8:msg_typei3e5:piecei0ee")],
  ["a piece taken back", "nothing", () => extendedFrame(3, "\0\0\0\x09")],
  ["a piece taken back that is none", "bad-extended", ({ pieceCount }) => extendedFrame(3, `\0\0\0${String.fromCharCode(pieceCount)}`)],
  ["a piece taken back, 5 bytes", "bad-extended", () => extendedFrame(3, "\0\0\0\0\0")],
  ["pieces taken back without end", "flood", ({ pieceCount }) => repeat(extendedFrame(3, "\0\0\0\0"), pieceCount + 1001)],
  ["metadata requests without end", "flood", () => repeat(extendedFrame(2, "d8:msg_typei0e5:piecei0ee"), 1201)],
]; // prettier-ignore

const WITHOUT_FAST: readonly Row[] = [
  ["suggest", "no-fast", () => frame(13, 0)],
  ["have-all", "no-fast", () => frame(14)],
  ["have-none", "no-fast", () => frame(15)],
  ["reject", "no-fast", () => frame(16, 0, 0, 1)],
  ["allowed-fast", "no-fast", () => frame(17, 0)],
];

/** Known attacks on length, range, order and number of frames, and what broke the wire library, as data. */
export const HOSTILE_FRAMES: readonly HostileFrames[] = [
  ...rowsOf("connected", CONNECTED),
  ...rowsOf("handshake-done", HANDSHAKE_DONE),
  ...rowsOf("extended-done", EXTENDED_DONE),
  ...rowsOf("admitted", ADMITTED),
  ...rowsOf("admitted-without-fast", WITHOUT_FAST),
];

function rowsOf(moment: HostileMoment, rows: readonly Row[]): HostileFrames[] {
  return rows.map(([name, expected, bytes]) => ({ name: `${moment}: ${name}`, moment, bytes, expected }));
}

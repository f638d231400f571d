import { hash } from "node:crypto";
import { bencodeSpan, decodeBencode, encodeBencode } from "../codec/bencode.ts";
import type { BencodeDictionary, BencodeSource, BencodeValue } from "../codec/bencode.ts";
import { BundleLayout, MAX_BUNDLE_CONTENTS } from "../core/bundle-layout.ts";
import { contentIdOf, type ContentId } from "../core/content-id.ts";
import { displayPath, textOfByteString, type RepoPath } from "../core/repo-path.ts";
import { BUNDLE_NAME } from "./bundle-list.ts";
import { ManifestError, refusing } from "./errors.ts";
import { pathOfTorrentParts, torrentPathParts } from "./torrent-path.ts";

/** A content of a bundle as its info dictionary shows it. */
export interface TorrentFile {
  /** First path of the content in tree order. */
  readonly path: RepoPath;
  readonly content: ContentId;
  /** Without padding, at least 1. */
  readonly lengthBytes: number;
}

/** Info dictionary of a bundle (docs/protocol.md, "Bundle info dictionary"; BEP 3, BEP 27, BEP 47). */
export interface BundleInfo {
  readonly name: string;
  readonly pieceLength: number;
  /** In bundle order, without the padding files. */
  readonly files: readonly TorrentFile[];
  /** 20 bytes of SHA-1 per piece. */
  readonly pieceHashes: Uint8Array;
}

const SHA1_BYTES = 20;
const PADDING_DIRECTORY = ".pad";

/**
 * The info dictionary in bencode: its SHA-1 is the bundle's name in the swarm.
 *
 * @throws ManifestError `bad-torrent` if name, hashes or paths do not go together
 */
export function buildInfoDictionary(info: BundleInfo): Uint8Array {
  checkInfo(info);
  return encodeBencode(
    dictionary<BencodeSource>({
      files: filesAndPadding(info),
      name: Buffer.from(info.name, "utf8"),
      "piece length": info.pieceLength,
      pieces: info.pieceHashes,
      private: 1,
    }),
  );
}

function* filesAndPadding({ files, pieceLength }: BundleInfo): Generator<BencodeDictionary> {
  for (const file of files) {
    yield dictionary<BencodeValue>({
      length: file.lengthBytes,
      path: torrentPathParts(file.path).map(bytesOf),
      sha256: Buffer.from(file.content, "hex"),
    });
    const padding = paddingAfter(file.lengthBytes, pieceLength);
    if (padding > 0) yield paddingFile(padding);
  }
}

function paddingFile(lengthBytes: number): BencodeDictionary {
  const path = [bytesOf(PADDING_DIRECTORY), bytesOf(String(lengthBytes))];
  return dictionary<BencodeValue>({ attr: bytesOf("p"), length: lengthBytes, path });
}

function paddingAfter(lengthBytes: number, pieceLength: number): number {
  return (pieceLength - (lengthBytes % pieceLength)) % pieceLength;
}

function checkInfo(info: BundleInfo): void {
  const { files, name, pieceHashes, pieceLength } = info;
  if (!BUNDLE_NAME.test(name)) fail("expected a name that is one safe part of a path");
  if (files.length > MAX_BUNDLE_CONTENTS) fail(`expected at most ${MAX_BUNDLE_CONTENTS} contents, got ${files.length}`);
  const { pieceCount } = refusing(
    "bad-torrent",
    "info dictionary",
    () =>
      new BundleLayout(
        Array.from(files, (file) => file.lengthBytes),
        pieceLength,
      ),
  );
  if (pieceHashes.length !== pieceCount * SHA1_BYTES) {
    fail(`expected ${pieceCount} piece hashes of ${SHA1_BYTES} bytes, got ${pieceHashes.length} bytes`);
  }
  const paths = new Set<RepoPath>();
  for (const { path } of files) {
    if (paths.has(path)) fail(`expected each path once, got "${displayPath(path)}" twice`);
    paths.add(path);
  }
}

/** SHA-1 of an info dictionary's bytes, 40 lower-case hex digits. */
export function infoHashOf(info: Uint8Array): string {
  return hash("sha1", info, "hex");
}

/**
 * Reads the info dictionary of a bundle; keys it does not know are ignored.
 *
 * @throws ManifestError `bad-torrent` unless it is what {@link buildInfoDictionary} makes, padding included
 */
export function parseInfoDictionary(bytes: Uint8Array): BundleInfo {
  return refusing("bad-torrent", "info dictionary", () => {
    const fields = asDictionary(decodeBencode(bytes), "a dictionary");
    if (fields.get("private") !== 1) fail("expected it to be private");
    const pieceLength = asLength(fields.get("piece length"), "piece length");
    const info: BundleInfo = {
      name: textOfByteString(asByteString(fields.get("name"), "name")) ?? fail("expected a name in UTF-8"),
      pieceLength,
      files: readFiles(asList(fields.get("files"), "files"), pieceLength),
      pieceHashes: asBytes(fields.get("pieces"), "pieces"),
    };
    checkInfo(info);
    return info;
  });
}

function readFiles(items: readonly BencodeValue[], pieceLength: number): TorrentFile[] {
  const files: TorrentFile[] = [];
  let wantedPadding = 0;
  for (const item of items) {
    const fields = asDictionary(item, "files");
    const lengthBytes = asLength(fields.get("length"), "length of a file");
    const parts = asList(fields.get("path"), "path").map((part) => asByteString(part, "part of a path"));
    const isPadding = fields.has("attr");
    if (isPadding !== wantedPadding > 0) fail("expected padding exactly where a content does not end at a piece");
    if (isPadding) {
      checkPadding({ attr: fields.get("attr"), lengthBytes, parts }, wantedPadding);
      wantedPadding = 0;
      continue;
    }
    const content = contentIdOf(asBytes(fields.get("sha256"), "sha256"));
    const path = pathOfTorrentParts(parts);
    // Joined by NUL, which no part holds, because a part could hold a slash.
    if (torrentPathParts(path).join("\0") !== parts.join("\0")) fail(`odd escapes in "${displayPath(path)}"`);
    files.push({ path, content, lengthBytes });
    wantedPadding = paddingAfter(lengthBytes, pieceLength);
  }
  if (wantedPadding > 0) fail("expected padding after the last content");
  return files;
}

function checkPadding(
  got: { readonly attr: BencodeValue | undefined; readonly lengthBytes: number; readonly parts: readonly string[] },
  wantedBytes: number,
): void {
  const isWanted = asByteString(got.attr, "attr") === "p" && got.lengthBytes === wantedBytes;
  if (!isWanted || got.parts.join("\0") !== `${PADDING_DIRECTORY}\0${wantedBytes}`) {
    fail(`expected ${wantedBytes} bytes of padding, got another file`);
  }
}

/**
 * A .torrent around the exact bytes of an info dictionary (BEP 3).
 *
 * @param announceUrl of the tracker
 */
export function buildTorrent(info: Uint8Array, announceUrl: string): Uint8Array {
  const announce = encodeBencode(Buffer.from(announceUrl, "utf8"));
  const key = (text: string): Uint8Array => encodeBencode(bytesOf(text));
  return Buffer.concat([bytesOf("d"), key("announce"), announce, key("info"), info, bytesOf("e")]);
}

/**
 * The exact bytes of the info dictionary in a .torrent, a view.
 *
 * @throws ManifestError `bad-torrent`
 */
export function extractInfo(torrent: Uint8Array): Uint8Array {
  const span = refusing("bad-torrent", "torrent", () => bencodeSpan(torrent, "info"));
  if (span === undefined) fail(`expected the key "info"`);
  return torrent.subarray(span.start, span.end);
}

function dictionary<Value extends BencodeSource>(fields: Readonly<Record<string, Value>>): Map<string, Value> {
  return new Map(Object.entries(fields));
}

function bytesOf(byteString: string): Uint8Array {
  return Buffer.from(byteString, "latin1");
}

function asDictionary(value: BencodeValue | undefined, what: string): BencodeDictionary {
  return value instanceof Map ? value : fail(`expected ${what} to be a dictionary`);
}

function asList(value: BencodeValue | undefined, what: string): readonly BencodeValue[] {
  return Array.isArray(value) ? value : fail(`expected "${what}" to be a list`);
}

function asBytes(value: BencodeValue | undefined, what: string): Uint8Array {
  return value instanceof Uint8Array ? value : fail(`expected "${what}" to be bytes`);
}

function asByteString(value: BencodeValue | undefined, what: string): string {
  const bytes = asBytes(value, what);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function asLength(value: BencodeValue | undefined, what: string): number {
  return typeof value === "number" && value > 0 ? value : fail(`expected "${what}" to be a length above 0`);
}

function fail(problem: string): never {
  throw new ManifestError("bad-torrent", `info dictionary: ${problem}`);
}

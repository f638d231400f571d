import { MAX_BUNDLE_BYTES, MAX_BUNDLE_CONTENTS, assertPieceLength } from "../core/bundle-layout.ts";
import type { TorrentFile } from "./torrent.ts";
import { torrentPathParts } from "./torrent-path.ts";

/** libtorrent refuses a .torrent above 10,000,000 bytes; the rest is for tracker URL and signatures around it. */
const MAX_INFO_BYTES = 9_900_000;
const SHA1_BYTES = 20;
/** Bencode of a content and its padding file apart from the path's parts, rounded up. */
const FILE_BYTES = 160;
/** Bencode around each part of a path: a length of up to three digits and a colon. */
const PART_BYTES = 4;
/** Bencode of the other keys with a name of 200 characters, rounded up. */
const FIXED_BYTES = 1_000;

/**
 * Groups contents into bundles: at most 4 GiB of padded length, 32,768 contents, and an info dictionary that stock
 * clients take. A content above 4 GiB is a bundle alone; the bundle around it goes on after it. Holds one bundle.
 *
 * @param contents new ones, in tree order of their first paths
 * @throws CoreError `bad-layout` for a wrong piece length
 */
export function* cutBundles(contents: Iterable<TorrentFile>, pieceLength: number): Generator<TorrentFile[]> {
  assertPieceLength(pieceLength);
  let group: TorrentFile[] = [];
  let paddedBytes = 0;
  let infoBytes = FIXED_BYTES;
  for (const content of contents) {
    const pieces = Math.ceil(content.lengthBytes / pieceLength);
    const addedBytes = pieces * pieceLength;
    const addedInfoBytes = pieces * SHA1_BYTES + fileInfoBytes(content);
    if (addedBytes > MAX_BUNDLE_BYTES) {
      yield [content];
      continue;
    }
    const isFull =
      group.length === MAX_BUNDLE_CONTENTS ||
      paddedBytes + addedBytes > MAX_BUNDLE_BYTES ||
      infoBytes + addedInfoBytes > MAX_INFO_BYTES;
    if (isFull && group.length > 0) {
      yield group;
      group = [];
      paddedBytes = 0;
      infoBytes = FIXED_BYTES;
    }
    group.push(content);
    paddedBytes += addedBytes;
    infoBytes += addedInfoBytes;
  }
  if (group.length > 0) yield group;
}

function fileInfoBytes(content: TorrentFile): number {
  return torrentPathParts(content.path).reduce((sum, part) => sum + part.length + PART_BYTES, FILE_BYTES);
}

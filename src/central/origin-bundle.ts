import { Bitfield } from "../core/bitfield.ts";
import { StoreError } from "../store/errors.ts";
import type { PieceStorage, SwarmBundle } from "../swarm/ports.ts";
import type { OpenContents } from "./open-contents.ts";
import type { PublishedBundle, PublishedMetadata, PublishedTree } from "./published-tree.ts";

/**
 * A published bundle as the origin seeds it: all pieces, read straight from the retained contents. A content that is
 * gone or changed gives undefined, and the swarm withdraws its pieces.
 */
export function originBundle(bundle: PublishedBundle, tree: PublishedTree, contents: OpenContents): SwarmBundle {
  return {
    number: bundle.number,
    infoHash: bundle.infoHash,
    layout: bundle.layout,
    held: Bitfield.full(bundle.layout.pieceCount),
    storage: originStorage(bundle, tree, contents),
    infoDictionary: () => tree.infoDictionary(bundle.infoHash),
  };
}

function originStorage(bundle: PublishedBundle, tree: PublishedTree, contents: OpenContents): PieceStorage {
  const { layout, contents: table } = bundle;
  return {
    readBlock: async (piece, offset, length, memory) => {
      const { ordinal, firstPiece, length: contentBytes } = layout.contentOfPiece(piece);
      const whole = length === contentBytes ? tree.readSmall(bundle, ordinal, length) : undefined;
      if (whole !== undefined) return whole;
      const start = (piece - firstPiece) * layout.pieceLength + offset;
      try {
        return await contents.read(table.content(ordinal), { start, end: start + length }, memory);
      } catch (error) {
        if (error instanceof StoreError && error.code === "unpack-busy") return "busy";
        throw error;
      }
    },
    ...READ_ONLY,
  };
}

const READ_ONLY: Pick<PieceStorage, "writeBlock" | "completePiece"> = {
  writeBlock: () => Promise.reject(new Error("the origin downloads nothing")),
  completePiece: () => Promise.reject(new Error("the origin downloads nothing")),
};

/** A metadata bundle as the origin seeds it, read from its files block by block: there are few, and they are small. */
export function originMetadataBundle(bundle: PublishedMetadata, tree: PublishedTree): SwarmBundle {
  const { number, infoHash, layout } = bundle;
  const storage: PieceStorage = {
    readBlock: async (piece, offset, length) => {
      const { ordinal, firstPiece } = layout.contentOfPiece(piece);
      await using file = await bundle.open(ordinal);
      const bytes = await file?.read((piece - firstPiece) * layout.pieceLength + offset, length);
      return bytes?.length === length ? bytes : undefined;
    },
    ...READ_ONLY,
  };
  const infoDictionary = (): Promise<Uint8Array | undefined> => tree.infoDictionary(infoHash);
  const held = Bitfield.full(layout.pieceCount);
  return { number, infoHash, layout, held, storage, infoDictionary, isMetadata: true };
}

import type { Bitfield } from "../core/bitfield.ts";
import type { BundleLayout } from "../core/bundle-layout.ts";
import type { RangeSet } from "../core/byte-range.ts";
import { addressGroup } from "../core/remote-address.ts";

/**
 * Bytes of one bundle on this host, offsets within a piece. Only content bytes: padding is zeros that the caller
 * makes up and storage never sees.
 */
export interface PieceStorage {
  /**
   * Undefined if the bytes are not (or no longer) held: the piece is then withdrawn. "busy": held, but not to be had now.
   * @param memory of that length, where the bytes may be put: then it is what is given. It is the caller's again once the promise is kept
   */
  readBlock(
    piece: number,
    offset: number,
    length: number,
    memory?: Uint8Array,
  ): Promise<Uint8Array | "busy" | undefined>;
  /**
   * Keeps received bytes; not yet trusted. They are the caller's again once the call returns: they lie in memory that many blocks
   * pass through. Undefined: done, and there is room for more; else there is once the promise is kept.
   */
  writeBlock(piece: number, offset: number, bytes: Uint8Array): Promise<void> | undefined;
  /** Called once all content bytes of a piece are there: checks its hash; afterwards it may be given to others. */
  completePiece(piece: number): Promise<"verified" | "mismatch">;
}

/** A bundle the swarm can talk about: seeded if `held` has pieces, downloaded if asked to. */
export interface SwarmBundle {
  readonly number: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly layout: BundleLayout;
  /** Pieces that are verified and readable. The swarm sets bits as pieces complete and clears withdrawn ones. */
  readonly held: Bitfield;
  readonly storage: PieceStorage;
  /** Carries no file contents: its traffic is counted apart. */
  readonly isMetadata?: boolean;
  /** Bencoded info dictionary for BEP 9, if at hand. */
  infoDictionary(): Promise<Uint8Array | undefined>;
}

/** What a download still lacks: per piece the missing content bytes, offsets within the piece. Never empty sets. */
export type WantedRanges = ReadonlyMap<number, RangeSet>;

/** A peer that the tracker named. */
export interface KnownPeer {
  /** Volunteer id, 40 hex digits = its peer id. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly isOrigin: boolean;
  /** A BitTorrent client without a pass: nobody can say beforehand which peer id it will show. */
  readonly isStockClient?: boolean;
  readonly site?: string;
  /** False if it certainly holds nothing of this bundle, so that it is not dialled for it. */
  mayHold(bundleNumber: number): boolean;
}

/** A stock client as {@link KnownPeer}; it is called for this bundle alone. */
export function stockPeer(bundle: number, host: string, port: number): KnownPeer {
  const id = `stock ${host} ${port}`;
  return { id, host, port, isOrigin: false, isStockClient: true, mayHold: (number) => number === bundle };
}

/**
 * Whom offences of a stock client are laid to: its address (of IPv6: its /64), as the peer id it shows proves nothing and
 * may be another's.
 */
export function stockClientId(host: string): string {
  return `stock ${addressGroup(host)}`;
}

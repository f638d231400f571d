import { Bitfield } from "../core/bitfield.ts";
import { BundleLayout } from "../core/bundle-layout.ts";
import { RangeSet } from "../core/byte-range.ts";
import type { PieceStorage, SwarmBundle, WantedRanges } from "../swarm/ports.ts";
import { MAX_REQUEST_BYTES } from "../swarm/block-requests.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** All true bytes are zero: a thousand copies of an image need no memory. A wrong byte is anything else. */
const TRUE_BYTES = new Uint8Array(128 * 1024 + MAX_REQUEST_BYTES);

/** What a liar sends instead of `bytes`. */
export function corrupted(bytes: Uint8Array): Uint8Array {
  const wrong = bytes.slice();
  wrong[0] = 1;
  return wrong;
}

/** How fast a simulated disk and its hashing are. */
export interface DiskSpeed {
  readonly readMs: number;
  /** Hashing and writing one piece. */
  readonly completeMs: number;
}

export const SSD: DiskSpeed = { readMs: 0.5, completeMs: 2 };

/** A host's copy of a bundle without its bytes: pieces know whether wrong bytes were written to them. */
export class SimBundle implements SwarmBundle, PieceStorage {
  readonly number = 1;
  readonly infoHash: string = "5b".repeat(20);
  readonly layout: BundleLayout;
  readonly held: Bitfield;
  readonly storage: PieceStorage = this;
  /** Pieces that failed their hash. */
  mismatchCount = 0;
  readonly #clock: VirtualClock;
  readonly #disk: DiskSpeed;
  readonly #spoiled = new Set<number>();
  readonly #missing = new Map<number, RangeSet>();

  /** @param options `held`: what it has at the start, offsets in the bundle; nothing by default */
  constructor(
    clock: VirtualClock,
    layout: BundleLayout,
    { held = new RangeSet(), disk = SSD }: { readonly held?: RangeSet; readonly disk?: DiskSpeed },
  ) {
    this.#clock = clock;
    this.layout = layout;
    this.#disk = disk;
    this.held = new Bitfield(layout.pieceCount);
    for (let piece = 0; piece < layout.pieceCount; piece++) {
      const missing = missingInPiece(layout, piece, held);
      if (missing.isEmpty) this.held.set(piece);
      else this.#missing.set(piece, missing);
    }
  }

  async readBlock(_piece: number, _offset: number, length: number): Promise<Uint8Array> {
    await this.#wait(this.#disk.readMs);
    return TRUE_BYTES.subarray(0, length);
  }

  /** Into memory, as a mirror keeps the blocks of a piece until it is whole. */
  writeBlock(piece: number, _offset: number, bytes: Uint8Array): Promise<void> {
    if (bytes[0] !== 0) this.#spoiled.add(piece);
    this.#clock.owe();
    return Promise.resolve();
  }

  async completePiece(piece: number): Promise<"verified" | "mismatch"> {
    await this.#wait(this.#disk.completeMs);
    if (!this.#spoiled.delete(piece)) return "verified";
    this.mismatchCount++;
    return "mismatch";
  }

  infoDictionary(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** What it lacked at the start. */
  missing(): WantedRanges {
    return this.#missing;
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(delayMs, () => {
        this.#clock.owe();
        resolve();
      });
    });
  }
}

/** The content bytes of a piece outside `held`, offsets within the piece. */
function missingInPiece(layout: BundleLayout, piece: number, held: RangeSet): RangeSet {
  const start = piece * layout.pieceLength;
  const missing = new RangeSet();
  for (const gap of held.missingIn(start, start + layout.dataLengthOfPiece(piece))) {
    missing.add(gap.start - start, gap.end - start);
  }
  return missing;
}

/** Bytes of content in a bundle, padding left out. */
export function contentBytes(layout: BundleLayout): number {
  let bytes = 0;
  for (let ordinal = 0; ordinal < layout.contentCount; ordinal++) bytes += layout.content(ordinal).length;
  return bytes;
}

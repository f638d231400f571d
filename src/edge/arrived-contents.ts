import type { ContentId } from "../core/content-id.ts";
import { StoreError } from "../store/errors.ts";
import type { BundleGroups } from "./placed-transfer.ts";
import type { StagedTransfer } from "./staged-transfer.ts";

/** What is under way, by bundle and by content; both change while it is. */
export interface UnderWay {
  readonly bundles: BundleGroups;
  readonly transfers: ReadonlyMap<ContentId, StagedTransfer>;
}

const NOTHING: UnderWay = { bundles: new Map(), transfers: new Map() };

/**
 * Contents that a sync under way has whole and proved by their SHA-256, and that stand under no name of DEST yet: customers get them from the
 * staging area. All of them is looked up in what the download has; what an earlier run left in that area counts once this one has
 * proved it.
 */
export class ArrivedContents {
  #underWay: UnderWay = NOTHING;
  #recordPlaced: () => void = () => undefined;

  /** A download begins. */
  follow(underWay: UnderWay): void {
    this.#underWay = underWay;
  }

  /** All of it is in DEST, or was given up. */
  end(): void {
    this.#underWay = NOTHING;
  }

  get isUnderWay(): boolean {
    return this.#underWay !== NOTHING;
  }

  /** Undefined unless it is whole. */
  lengthOf(content: ContentId): number | undefined {
    const transfer = this.#underWay.transfers.get(content);
    return transfer?.isWhole === true ? transfer.lengthBytes : undefined;
  }

  /** By number of the bundle, positions in its content table. */
  ordinals(): ReadonlyMap<number, readonly number[]> {
    const ordinals = new Map<number, readonly number[]>();
    for (const [number, group] of this.#underWay.bundles) {
      const arrived = group.filter(({ transfer }) => transfer.isWhole).map(({ place }) => place.ordinal);
      if (arrived.length > 0) ordinals.set(number, arrived);
    }
    return ordinals;
  }

  /**
   * Undefined if it is not here. The part may be renamed into DEST between two reads: then its record is written before this returns, and the
   * reader finds the file there.
   */
  async read(content: ContentId, offset: number, length: number): Promise<Uint8Array | undefined> {
    const transfer = this.#underWay.transfers.get(content);
    if (transfer?.isWhole !== true) return undefined;
    try {
      return await transfer.bytes.read(offset, length);
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "staged-missing")) throw error;
      this.#recordPlaced();
      return undefined;
    }
  }

  /** Writes the records of files that were placed just now, if any wait. */
  recordPlaced(): void {
    this.#recordPlaced();
  }

  /** Until disposed, files are placed whose records wait for `record`, which writes them. */
  whilePlacing(record: () => void): Disposable {
    this.#recordPlaced = record;
    return {
      [Symbol.dispose]: () => {
        this.#recordPlaced = () => undefined;
      },
    };
  }
}

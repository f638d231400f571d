import { Bitfield } from "../core/bitfield.ts";
import { messageOf } from "../core/errors.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { BundleCatalog } from "./bundle-catalog.ts";
import type { BundleGroups, PlacedTransfer } from "./placed-transfer.ts";
import type { StagedTransfer } from "./staged-transfer.ts";
import type { SyncLog } from "./sync-log.ts";

interface ProgressContext {
  readonly index: MirrorIndex;
  readonly catalog: BundleCatalog;
  readonly log: SyncLog;
}

/**
 * Notes what an interrupted run should not fetch again; the next one hashes it before believing it. Only what grew since the
 * last time is written, and a note that can't be written costs bytes later, not the sync now.
 */
export class ProgressSaver {
  readonly #bundles: BundleGroups;
  readonly #context: ProgressContext;
  readonly #savedBytes = new Map<StagedTransfer, number>();

  constructor(bundles: BundleGroups, context: ProgressContext) {
    this.#bundles = bundles;
    this.#context = context;
  }

  save(): void {
    const { index, log } = this.#context;
    try {
      index.transaction(() => {
        for (const [number, group] of this.#bundles) this.#saveBundle(number, group);
      });
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "progress of the download not saved");
    }
  }

  #saveBundle(number: number, group: readonly PlacedTransfer[]): void {
    const { catalog, index } = this.#context;
    const pieceLength = catalog.row(number)?.pieceLength;
    if (pieceLength === undefined) return;
    for (const { transfer } of group) {
      // Its part is there whole or not at all.
      if (transfer.lengthBytes <= pieceLength) continue;
      const verifiedBytes = transfer.verified.totalBytes;
      if (verifiedBytes === (this.#savedBytes.get(transfer) ?? 0)) continue;
      this.#savedBytes.set(transfer, verifiedBytes);
      const { content, lengthBytes } = transfer;
      index.staged.put({ content, lengthBytes, pieceLength, verified: verifiedPieces(transfer, pieceLength) });
    }
  }
}

function verifiedPieces(transfer: StagedTransfer, pieceLength: number): Bitfield {
  const pieces = new Bitfield(Math.ceil(transfer.lengthBytes / pieceLength));
  for (const range of transfer.verified) {
    for (let piece = Math.ceil(range.start / pieceLength); piece < pieces.length; piece++) {
      if (Math.min(transfer.lengthBytes, (piece + 1) * pieceLength) > range.end) break;
      pieces.set(piece);
    }
  }
  return pieces;
}

/** Adds up the progress of all bundles of a download, also of those that have not begun. */
export class OverallProgress {
  readonly #onProgress: (receivedBytes: number, wantedBytes: number) => void;
  /** By number of the bundle; their sum is kept beside them. */
  readonly #shares: Map<number, number>;
  #wantedBytes: number;
  #receivedBytes = 0;

  /** @param shares what each bundle is expected to lack, in bytes, by number */
  constructor(shares: ReadonlyMap<number, number>, onProgress: (receivedBytes: number, wantedBytes: number) => void) {
    this.#onProgress = onProgress;
    this.#shares = new Map(shares);
    this.#wantedBytes = shares.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** What a bundle really lacks, known when it begins: takes the place of what was expected. */
  forBundle(bundle: number, wantedBytes: number): (receivedBytes: number) => void {
    this.#wantedBytes += wantedBytes - (this.#shares.get(bundle) ?? 0);
    this.#shares.set(bundle, wantedBytes);
    let last = 0;
    return (receivedBytes) => {
      this.#receivedBytes += receivedBytes - last;
      last = receivedBytes;
      this.#onProgress(this.#receivedBytes, this.#wantedBytes);
    };
  }
}

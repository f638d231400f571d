import { setImmediate } from "node:timers/promises";
import { Bitfield } from "../core/bitfield.ts";
import { BundleLayout } from "../core/bundle-layout.ts";
import type { ContentId } from "../core/content-id.ts";
import type { BundleRow } from "../manifest/bundle-list.ts";
import { parseContentTable, type TableContent } from "../manifest/content-table.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { fetchObject, mapParallel, type ObjectSource } from "./manifest-update.ts";
import { MirrorBundle, type HeldContentReader } from "./mirror-bundle.ts";
import type { StagedTransfer } from "./staged-transfer.ts";

/** Where a content can be fetched. */
export interface ContentPlace {
  readonly bundle: number;
  readonly ordinal: number;
  readonly lengthBytes: number;
}

/**
 * The bundles of the repository as this mirror knows them: rows and content tables in the index, and one living
 * {@link MirrorBundle} per bundle that somebody asks for, so that uploads see what a download just completed.
 */
export class BundleCatalog {
  readonly #index: MirrorIndex;
  readonly #files: HeldContentReader;
  readonly #objects: ObjectSource;
  /** Contents on their way; the sync adds and removes. */
  readonly transfers: Map<ContentId, StagedTransfer> = new Map();
  readonly #living = new Map<string, WeakRef<MirrorBundle>>();

  constructor(context: {
    readonly index: MirrorIndex;
    readonly files: HeldContentReader;
    readonly objects: ObjectSource;
  }) {
    this.#index = context.index;
    this.#files = context.files;
    this.#objects = context.objects;
  }

  /** Learns the rows of a release and fetches the content tables that are not known yet. */
  async learn(rows: readonly BundleRow[], signal: AbortSignal): Promise<void> {
    // Row and table are written together.
    const unknown = rows.filter((row) => this.#index.bundles.get(row.number)?.infoHash !== row.infoHash);
    await this.#objects.prepare?.(
      unknown.map((row) => row.table),
      signal,
    );
    await mapParallel(unknown, async (row) => {
      const from = { objects: this.#objects, signal };
      const bytes = await fetchObject(row.table, `content table of bundle ${row.number}`, from);
      // One by one: the tables of millions of contents take more memory than all else.
      const table = parseContentTable(bytes);
      this.#index.transaction(() => {
        this.#index.bundles.remove(row.number);
        this.#index.bundles.put(row);
        this.#index.bundles.putContents(row.number, table);
      });
    });
  }

  /** Drops what a release no longer lists. */
  retireAllBut(rows: readonly BundleRow[]): void {
    const kept = new Set(rows.map((row) => row.number));
    for (const row of this.#index.bundles.all()) {
      if (kept.has(row.number)) continue;
      this.#index.bundles.remove(row.number);
      this.#living.delete(row.infoHash);
    }
  }

  /** The newest bundle that has a content; undefined if none does. */
  placeOf(content: ContentId): ContentPlace | undefined {
    return this.#index.bundles.newestPlaceOf(content);
  }

  row(number: number): BundleRow | undefined {
    return this.#index.bundles.get(number);
  }

  /** The bundle as peers see it; the same object for everybody as long as somebody uses it. */
  bundle(infoHash: string): MirrorBundle | undefined {
    const living = this.#living.get(infoHash)?.deref();
    if (living !== undefined) return living;
    const row = this.#index.bundles.byInfoHash(infoHash);
    if (row === undefined) return undefined;
    const contents = this.#index.bundles.contentsOf(row.number);
    if (contents.length === 0) return undefined;
    const created = new MirrorBundle(row, contents, {
      held: this.#heldPieces(row, layoutOf(row, contents)),
      files: this.#files,
      transfers: this.transfers,
      infoDictionary: async () => this.#index.bundles.info(infoHash),
    });
    this.#living.set(infoHash, new WeakRef(created));
    return created;
  }

  /** Bundles in use get the pieces of contents that DEST holds since; each new piece is told. Others have their turn after each bundle. */
  async refreshLiving(onHeld: (infoHash: string, piece: number) => void): Promise<void> {
    for (const [infoHash, reference] of [...this.#living]) {
      const bundle = reference.deref();
      const row = this.#index.bundles.byInfoHash(infoHash);
      if (bundle === undefined || row === undefined) {
        // Another object may be there by now.
        if (this.#living.get(infoHash) === reference) this.#living.delete(infoHash);
        continue;
      }
      if (bundle.held.isFull) continue;
      for (const piece of this.#heldPieces(row, bundle.layout)) {
        if (bundle.held.set(piece)) onHeld(infoHash, piece);
      }
      await setImmediate();
    }
  }

  #heldPieces(row: BundleRow, layout: BundleLayout): Bitfield {
    const held = new Bitfield(layout.pieceCount);
    for (const ordinal of this.#index.bundles.heldOrdinals(row.number)) {
      const { firstPiece, pieceCount } = layout.content(ordinal);
      for (let piece = firstPiece; piece < firstPiece + pieceCount; piece++) held.set(piece);
    }
    return held;
  }
}

function layoutOf({ pieceLength }: BundleRow, contents: readonly TableContent[]): BundleLayout {
  return new BundleLayout(
    contents.map(({ lengthBytes }) => lengthBytes),
    pieceLength,
  );
}

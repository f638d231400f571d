import { setImmediate } from "node:timers/promises";
import { Bitfield } from "../core/bitfield.ts";
import { BundleLayout } from "../core/bundle-layout.ts";
import type { ContentId } from "../core/content-id.ts";
import type { BundleRow } from "../manifest/bundle-list.ts";
import { ContentTable } from "../manifest/content-table.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { PieceMemories } from "../store/piece-memory.ts";
import { fetchObject, mapParallel, type ObjectSource } from "./manifest-update.ts";
import { MirrorBundle, type HeldContentReader } from "./mirror-bundle.ts";
import type { StagedTransfer } from "./staged-transfer.ts";

/** Where a content can be fetched. */
export interface ContentPlace {
  readonly bundle: number;
  readonly ordinal: number;
  readonly lengthBytes: number;
}

/** Looked up at once: 1.5 ms, or 35 if the index has to be read from the disk. A bundle may have 32,768. */
const CONTENTS_PER_TURN = 256;
/** At one bundle, while files come and go. */
const MOST_LOOKS = 2;

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
  /** For what comes of all bundles; to be let go when a sync is over. */
  readonly memories: PieceMemories = new PieceMemories();
  readonly #living = new Map<string, WeakRef<MirrorBundle>>();
  readonly #making = new Map<string, Promise<MirrorBundle | undefined>>();
  readonly #signal: AbortSignal;
  /** Until the last look at a bundle is over. One at a time: many together would all be late, and take all turns between them. */
  #looking: Promise<unknown> = Promise.resolve();

  constructor(context: {
    readonly index: MirrorIndex;
    readonly files: HeldContentReader;
    readonly objects: ObjectSource;
    /** Ends looks. */
    readonly signal: AbortSignal;
  }) {
    this.#index = context.index;
    this.#files = context.files;
    this.#objects = context.objects;
    this.#signal = context.signal;
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
      const table = ContentTable.parse(bytes);
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

  /** The bundle as peers see it; the same object for everybody as long as somebody uses it. @throws the signal's reason */
  async bundle(infoHash: string): Promise<MirrorBundle | undefined> {
    const living = this.#living.get(infoHash)?.deref();
    if (living !== undefined) return living;
    const known = this.#making.get(infoHash);
    if (known !== undefined) return await known;
    const making = this.#make(infoHash);
    this.#making.set(infoHash, making);
    try {
      return await making;
    } finally {
      this.#making.delete(infoHash);
    }
  }

  async #make(infoHash: string): Promise<MirrorBundle | undefined> {
    const { bundles } = this.#index;
    const row = bundles.byInfoHash(infoHash);
    if (row === undefined) return undefined;
    const contents = bundles.contentsOf(row.number);
    if (contents === undefined) return undefined;
    const layout = new BundleLayout(contents.lengths(), row.pieceLength);
    const held = await this.#heldPieces(row, layout);
    // Retired meanwhile.
    if (bundles.byInfoHash(infoHash) === undefined) return undefined;
    const created = new MirrorBundle(row, {
      layout,
      contents,
      held,
      files: this.#files,
      transfers: this.transfers,
      memories: this.memories,
      infoDictionary: async () => bundles.info(infoHash),
    });
    this.#living.set(infoHash, new WeakRef(created));
    return created;
  }

  /** Bundles in use get the pieces of contents that DEST holds since; each new piece is told. @throws the signal's reason */
  async refreshLiving(onHeld: (infoHash: string, piece: number) => void): Promise<void> {
    // They may have looked too early, and are living only then.
    await Promise.allSettled(this.#making.values());
    for (const [infoHash, reference] of [...this.#living]) {
      const bundle = reference.deref();
      const row = this.#index.bundles.byInfoHash(infoHash);
      if (bundle === undefined || row === undefined) {
        // Another object may be there by now.
        if (this.#living.get(infoHash) === reference) this.#living.delete(infoHash);
        continue;
      }
      if (bundle.held.isFull) continue;
      for (const piece of await this.#heldPieces(row, bundle.layout)) {
        if (bundle.held.set(piece)) onHeld(infoHash, piece);
      }
    }
  }

  /** As DEST is when it returns, unless it goes on changing; others have their turns. */
  async #heldPieces(row: BundleRow, layout: BundleLayout): Promise<Bitfield> {
    const look = this.#looking.then(() => this.#look(row, layout));
    this.#looking = look.catch(() => undefined);
    return await look;
  }

  async #look(row: BundleRow, layout: BundleLayout): Promise<Bitfield> {
    for (let looks = 1; ; looks++) {
      const version = this.#index.holdingsVersion;
      const held = new Bitfield(layout.pieceCount);
      for (let start = 0; start < row.contentCount; start += CONTENTS_PER_TURN) {
        if (start > 0) await setImmediate();
        this.#signal.throwIfAborted();
        for (const ordinal of this.#index.bundles.heldOrdinals(row.number, { start, end: start + CONTENTS_PER_TURN })) {
          const { firstPiece, pieceCount } = layout.content(ordinal);
          for (let piece = firstPiece; piece < firstPiece + pieceCount; piece++) held.set(piece);
        }
      }
      if (looks === MOST_LOOKS || this.#index.holdingsVersion === version) return held;
    }
  }
}

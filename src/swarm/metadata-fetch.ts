import { createHash } from "node:crypto";

/** BEP 9. */
export const METADATA_BLOCK_BYTES: number = 16 * 1024;
/** A .torrent above 10 MB is refused by others; ours are below that. */
export const MAX_METADATA_BYTES: number = 16 * 1024 * 1024;

/** An info dictionary coming in from one peer, blocks in any order (BEP 9). */
export class MetadataFetch {
  readonly #infoHash: string;
  readonly #blocks: (Uint8Array | undefined)[];
  readonly #totalBytes: number;
  #nextIndex = 0;
  #receivedCount = 0;

  /** @param totalBytes as the peer says, 1 … {@link MAX_METADATA_BYTES} */
  constructor(infoHash: string, totalBytes: number) {
    this.#infoHash = infoHash;
    this.#totalBytes = totalBytes;
    this.#blocks = new Array<Uint8Array | undefined>(Math.ceil(totalBytes / METADATA_BLOCK_BYTES));
  }

  /** Of it that came, 0 … 1. */
  get share(): number {
    return this.#receivedCount / this.#blocks.length;
  }

  /** The next block to ask for; undefined if all were asked for. */
  nextIndex(): number | undefined {
    return this.#nextIndex < this.#blocks.length ? this.#nextIndex++ : undefined;
  }

  /** Takes a block in. @returns the verified dictionary, "bad" if it can't become one, or "more" */
  receive(index: number, bytes: Uint8Array): Uint8Array | "bad" | "more" {
    const start = index * METADATA_BLOCK_BYTES;
    const expectedBytes = Math.min(METADATA_BLOCK_BYTES, this.#totalBytes - start);
    if (index < 0 || index >= this.#blocks.length || bytes.length !== expectedBytes) return "bad";
    if (this.#blocks[index] !== undefined) return "more";
    this.#blocks[index] = Uint8Array.from(bytes);
    this.#receivedCount++;
    if (this.#receivedCount < this.#blocks.length) return "more";
    const whole = Buffer.concat(this.#blocks as Uint8Array[]);
    return createHash("sha1").update(whole).digest("hex") === this.#infoHash ? whole : "bad";
  }
}

import { BlockCutter } from "./block-cutter.ts";
import type { LogBlock } from "./log-block.ts";

/** Where blocks are read, in this thread or another, and counted, in the order in which they are given. */
export interface BlockReader {
  /** A clear block to be filled, as soon as there is one. */
  next(): LogBlock | Promise<LogBlock>;
  read(block: LogBlock): void;
}

/** Cuts logs into blocks and has them read. */
export class LogBlocks {
  readonly #reader: BlockReader;
  #cutter: BlockCutter | undefined;

  constructor(reader: BlockReader) {
    this.#reader = reader;
  }

  /** A part of a log, cut anywhere; not kept. */
  async push(chunk: Uint8Array): Promise<void> {
    this.#cutter ??= new BlockCutter(await this.#reader.next());
    for (let at = 0; at < chunk.length;) {
      at += this.#cutter.take(chunk, at);
      if (at < chunk.length) this.#reader.read(this.#cutter.turn(await this.#reader.next()));
    }
  }

  /** The log ended; another may follow. @param isCut before its end, it is damaged */
  endLog(isCut = false): void {
    if (this.#cutter !== undefined) this.#reader.read(this.#cutter.end(isCut));
    this.#cutter = undefined;
  }
}

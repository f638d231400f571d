/** Longer lines are no log lines: servers cut requests at 8 to 32 KiB (nginx large_client_header_buffers, Apache LimitRequestLine). */
export const MAX_LINE_BYTES: number = 64 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A place that takes lines as ranges of bytes, which it must not keep. */
export type LineSink = (bytes: Uint8Array, from: number, to: number) => void;

/** Cuts a stream into lines. What is held back between chunks is {@link MAX_LINE_BYTES} at most, whatever comes. */
export class LineSplitter {
  /** Lines that were too long, and skipped. */
  tooLong = 0;
  readonly #sink: LineSink;
  readonly #begun: Uint8Array = new Uint8Array(MAX_LINE_BYTES);
  #begunBytes = 0;
  #isSkipping = false;

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      if (this.#begunBytes > 0 || this.#isSkipping) {
        this.#hold(chunk, from, end);
        this.#endBegun();
      } else if (end - from > MAX_LINE_BYTES) this.tooLong++;
      else this.#emit(chunk, from, end);
      from = end + 1;
    }
    if (from < chunk.length) this.#hold(chunk, from, chunk.length);
  }

  /** The stream ended: a last line may lack its end. */
  end(): void {
    if (this.#begunBytes > 0 || this.#isSkipping) this.#endBegun();
  }

  #hold(chunk: Uint8Array, from: number, to: number): void {
    if (this.#begunBytes + to - from > MAX_LINE_BYTES) this.#isSkipping = true;
    if (this.#isSkipping) return;
    this.#begun.set(chunk.subarray(from, to), this.#begunBytes);
    this.#begunBytes += to - from;
  }

  #endBegun(): void {
    if (this.#isSkipping) this.tooLong++;
    else this.#emit(this.#begun, 0, this.#begunBytes);
    this.#isSkipping = false;
    this.#begunBytes = 0;
  }

  #emit(bytes: Uint8Array, from: number, to: number): void {
    const end = to > from && bytes[to - 1] === CARRIAGE_RETURN ? to - 1 : to;
    if (end > from) this.#sink(bytes, from, end);
  }
}

/** Reads counted bytes from chunks of any length; at the end it gives fewer. */
export class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffered: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async peek(lengthBytes: number): Promise<Buffer> {
    while (this.#buffered.length < lengthBytes) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      this.#buffered = this.#buffered.length === 0 ? asBuffer(next.value) : Buffer.concat([this.#buffered, next.value]);
    }
    return this.#buffered.subarray(0, lengthBytes);
  }

  async take(lengthBytes: number): Promise<Buffer> {
    const taken = await this.peek(lengthBytes);
    this.#buffered = this.#buffered.subarray(taken.length);
    return taken;
  }

  /** Without holding what is skipped. */
  async skip(lengthBytes: number): Promise<void> {
    for (let left = lengthBytes; left > 0;) {
      const skipped = (await this.take(Math.min(left, Math.max(1, this.#buffered.length)))).length;
      if (skipped === 0) return;
      left -= skipped;
    }
  }

  /** What is left, chunk by chunk. */
  async *rest(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.peek(1); chunk.length > 0; chunk = await this.peek(1))
      yield await this.take(this.#buffered.length);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

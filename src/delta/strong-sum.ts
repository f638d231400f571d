import xxhash, { type XXHashAPI } from "xxhash-wasm";

/**
 * xxHash64 (seed 0) of a part of a buffer. The result stays in {@link high} and {@link low} until the next call: no
 * object and no bigint outlives it, which matters at one call per block.
 */
export interface StrongSum {
  /** First four bytes of the canonical (big-endian) form of the last sum, unsigned. */
  readonly high: number;
  /** Its last four bytes, unsigned. */
  readonly low: number;
  /** Sums `bytes[start, end)`; any alignment. */
  sum(bytes: Uint8Array, start: number, end: number): void;
}

let loading: Promise<XXHashAPI> | undefined;

/** A strong sum of its own for the caller; the WebAssembly module behind it is loaded once per thread. */
export async function loadStrongSum(): Promise<StrongSum> {
  loading ??= xxhash();
  return new XxHash64(await loading);
}

class XxHash64 implements StrongSum {
  high = 0;
  low = 0;
  readonly #api: XXHashAPI;
  readonly #view = new DataView(new ArrayBuffer(8));

  constructor(api: XXHashAPI) {
    this.#api = api;
  }

  sum(bytes: Uint8Array, start: number, end: number): void {
    // The library copies the block into its own memory, so that a view suffices here.
    this.#view.setBigUint64(0, this.#api.h64Raw(bytes.subarray(start, end)));
    this.high = this.#view.getUint32(0);
    this.low = this.#view.getUint32(4);
  }
}

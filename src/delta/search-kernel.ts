/** The compiled search (kernel/match-search.ts) with a memory of its own: for one search at a time. */
export interface SearchKernel {
  readonly memory: WebAssembly.Memory;
  readonly globals: KernelGlobals;
  readonly searchWindow: (length: number, basisOffset: number) => number;
  readonly tryShortBlock: (position: number, basisOffset: number) => void;
}

/** Names of the numbers that kernel/match-search.ts exports. */
type KernelNumber =
  | "blockLength"
  | "blockCount"
  | "shortLength"
  | "trustsStrongSum"
  | "weakSums"
  | "strongSums"
  | "filter"
  | "filterShift"
  | "bucketHead"
  | "bucketShift"
  | "bucketNext"
  | "leader"
  | "groupNext"
  | "basisOf"
  | "offsetOf"
  | "windowStart"
  | "basis"
  | "unmatched"
  | "expected"
  | "failedBytesLeft"
  | "hashedBytes";

/** The globals that kernel/match-search.ts exports, under the same names. */
export type KernelGlobals = Readonly<Record<KernelNumber, WebAssembly.Global<number>>> & {
  readonly strongMask: WebAssembly.Global<bigint>;
};

/** Makes kernels from the bytes that the build wrote; the code is compiled once. */
export class SearchKernelCode {
  readonly #module: WebAssembly.Module;

  constructor(bytes: Uint8Array) {
    this.#module = new WebAssembly.Module(bytes);
  }

  instantiate(): SearchKernel {
    const { exports } = new WebAssembly.Instance(this.#module);
    const { memory, searchWindow, tryShortBlock } = exports as unknown as SearchKernel;
    return { memory, globals: exports as KernelGlobals, searchWindow, tryShortBlock };
  }
}

import {
  FAILED_BYTES_PER_SCANNED_BYTE,
  joinRuns,
  MAX_FAILED_BYTES,
  MIN_TRUSTED_STRONG_LENGTH,
  UNMATCHED,
  windowLengthFor,
  type FoundBlocks,
  type MatchResult,
  type MatchSearch,
} from "./match-search.ts";
import type { KernelGlobals, SearchKernel } from "./search-kernel.ts";
import { indexSignature, NO_BLOCK } from "./signature-index.ts";
import type { BlockSignature } from "./signature.ts";

const PAGE_LENGTH = 64 * 1024;
/** Below lies what the compiler may want for itself; address 0 is the kernel's "none". */
const FIRST_ADDRESS = 1024;
/** Of every array in the memory: a cache line. */
const ALIGNMENT = 64;

/**
 * The search as people run it: a signature laid out in the memory of a kernel, which does the work. The kernel serves one
 * search at a time; the next one overwrites what this one found. Memory: about 60 bytes per block and one window.
 */
export class KernelMatchSearch implements MatchSearch {
  readonly window: Uint8Array;
  readonly shortLength: number;
  readonly #signature: BlockSignature;
  readonly #kernel: SearchKernel;
  readonly #found: FoundBlocks;

  constructor(signature: BlockSignature, kernel: SearchKernel) {
    const { blockLength, blockCount, contentLength, strongLength } = signature;
    this.#signature = signature;
    this.#kernel = kernel;
    this.shortLength = contentLength % blockLength;
    const views = layOut(signature, kernel);
    this.window = views.window;
    this.#found = views.found;
    const { globals } = kernel;
    globals.blockLength.value = blockLength;
    globals.blockCount.value = blockCount;
    globals.shortLength.value = this.shortLength;
    globals.strongMask.value = BigInt.asUintN(64, -1n << BigInt(64 - 8 * strongLength));
    globals.trustsStrongSum.value = strongLength >= MIN_TRUSTED_STRONG_LENGTH ? 1 : 0;
    globals.basis.value = -1;
    globals.unmatched.value = blockCount;
    globals.expected.value = NO_BLOCK;
    globals.failedBytesLeft.value = 0;
    globals.hashedBytes.value = 0;
  }

  get isComplete(): boolean {
    return this.#kernel.globals.unmatched.value === 0;
  }

  get isShortBlockMatched(): boolean {
    return this.shortLength === 0 || this.#found.basisOf[this.#signature.blockCount - 1] !== UNMATCHED;
  }

  get hashedBytes(): number {
    return this.#kernel.globals.hashedBytes.value;
  }

  beginBasis(): void {
    this.#kernel.globals.basis.value++;
    this.#kernel.globals.expected.value = NO_BLOCK;
  }

  searchWindow(length: number, basisOffset: number): number {
    const { failedBytesLeft } = this.#kernel.globals;
    const granted = FAILED_BYTES_PER_SCANNED_BYTE * Math.max(length, this.#signature.blockLength);
    failedBytesLeft.value = Math.min(MAX_FAILED_BYTES, failedBytesLeft.value + granted);
    return this.#kernel.searchWindow(length, basisOffset);
  }

  tryShortBlock(basisOffset: number): void {
    if (!this.isShortBlockMatched) this.#kernel.tryShortBlock(0, basisOffset);
  }

  result(): MatchResult {
    return joinRuns(this.#signature, this.#found);
  }
}

interface Views {
  readonly window: Uint8Array;
  readonly found: FoundBlocks;
}

/** Copies the signature's tables into the kernel's memory and tells it where they are. */
function layOut(signature: BlockSignature, { memory, globals }: SearchKernel): Views {
  const { blockCount, blockLength } = signature;
  const index = indexSignature(signature);
  const plan = new MemoryPlan();
  const places = {
    weakSums: plan.reserve(4 * blockCount),
    strongSums: plan.reserve(8 * blockCount),
    filter: plan.reserve(index.filter.length),
    bucketHead: plan.reserve(index.bucketHead.byteLength),
    bucketNext: plan.reserve(4 * blockCount),
    leader: plan.reserve(4 * blockCount),
    groupNext: plan.reserve(4 * blockCount),
    basisOf: plan.reserve(4 * blockCount),
    offsetOf: plan.reserve(8 * blockCount),
    windowStart: plan.reserve(windowLengthFor(blockLength)),
  } satisfies Partial<Record<keyof KernelGlobals, number>>;
  plan.provideIn(memory);
  const { buffer } = memory;
  new Uint32Array(buffer, places.weakSums, blockCount).set(signature.weak);
  putStrongSums(signature, new Uint32Array(buffer, places.strongSums, 2 * blockCount));
  new Uint8Array(buffer, places.filter, index.filter.length).set(index.filter);
  new Int32Array(buffer, places.bucketHead, index.bucketHead.length).set(index.bucketHead);
  for (const chain of ["bucketNext", "leader", "groupNext"] as const) {
    new Int32Array(buffer, places[chain], blockCount).set(index[chain]);
  }
  for (const [name, address] of Object.entries(places)) globals[name as keyof typeof places].value = address;
  globals.filterShift.value = index.filterShift;
  globals.bucketShift.value = index.bucketShift;
  return {
    window: new Uint8Array(buffer, places.windowStart, windowLengthFor(blockLength)),
    found: {
      basisOf: new Int32Array(buffer, places.basisOf, blockCount).fill(UNMATCHED),
      offsetOf: new Float64Array(buffer, places.offsetOf, blockCount),
    },
  };
}

/** As the kernel reads them: 64-bit numbers, low half first. */
function putStrongSums({ strongHigh, strongLow, blockCount }: BlockSignature, into: Uint32Array): void {
  for (let block = 0; block < blockCount; block++) {
    into[2 * block] = strongLow[block]!;
    into[2 * block + 1] = strongHigh[block]!;
  }
}

class MemoryPlan {
  #end = FIRST_ADDRESS;

  /** @returns the address of so many bytes */
  reserve(lengthBytes: number): number {
    const address = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    this.#end = address + lengthBytes;
    return address;
  }

  provideIn(memory: WebAssembly.Memory): void {
    const missing = this.#end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_LENGTH));
  }
}

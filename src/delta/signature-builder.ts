import { isBlockLength } from "./block-length.ts";
import { DeltaError } from "./errors.ts";
import {
  isStrongLength,
  SIGNATURE_FORMAT,
  SIGNATURE_HEADER_LENGTH,
  SIGNATURE_MAGIC,
  signatureByteLength,
  strongLengthFor,
  WEAK_LENGTH,
  WEAK_NAME_OFFSET,
} from "./signature.ts";
import type { StrongSum } from "./strong-sum.ts";
import { WEAK_SUM_NAME, weakSum } from "./weak-sum.ts";

export interface SignatureOptions {
  /** From {@link blockLengthFor}. */
  readonly blockLength: number;
  /** k; what {@link strongLengthFor} gives if left out. */
  readonly strongLength?: number;
}

/**
 * Makes the block signature of a content that streams by, in slices of any length. Holds the signature and one block.
 * Invariant: `#filled` < block length between calls; `#written` blocks lie in `#output`.
 */
export class SignatureBuilder {
  readonly #contentLength: number;
  readonly #blockLength: number;
  readonly #strongLength: number;
  readonly #strongSum: StrongSum;
  readonly #output: Uint8Array;
  readonly #view: DataView;
  readonly #lanes = new DataView(new ArrayBuffer(8));
  readonly #pending: Uint8Array;
  #filled = 0;
  #seen = 0;
  #outputOffset = SIGNATURE_HEADER_LENGTH;

  /** @throws DeltaError `bad-block-length` for options outside the format's limits */
  constructor(contentLength: number, strongSum: StrongSum, options: SignatureOptions) {
    const { blockLength, strongLength = strongLengthFor(contentLength, blockLength) } = options;
    if (!isBlockLength(blockLength) || !isStrongLength(strongLength)) {
      throw new DeltaError(
        "bad-block-length",
        `can't sign with blocks of ${blockLength} bytes and ${strongLength} strong`,
      );
    }
    this.#contentLength = contentLength;
    this.#blockLength = blockLength;
    this.#strongLength = strongLength;
    this.#strongSum = strongSum;
    this.#output = new Uint8Array(signatureByteLength(contentLength, blockLength, strongLength));
    this.#view = new DataView(this.#output.buffer);
    this.#pending = new Uint8Array(Math.min(blockLength, contentLength));
    this.#writeHeader();
  }

  /** The next bytes of the content. @throws DeltaError `signed-length-differs` beyond the announced length */
  update(bytes: Uint8Array): void {
    this.#seen += bytes.length;
    if (this.#seen > this.#contentLength) throw this.#lengthError();
    let position = 0;
    if (this.#filled > 0) {
      position = Math.min(bytes.length, this.#blockLength - this.#filled);
      this.#keep(bytes.subarray(0, position));
      if (this.#filled < this.#blockLength) return;
      this.#writeBlock(this.#pending, 0, this.#blockLength);
      this.#filled = 0;
    }
    for (; position + this.#blockLength <= bytes.length; position += this.#blockLength) {
      this.#writeBlock(bytes, position, position + this.#blockLength);
    }
    this.#keep(bytes.subarray(position));
  }

  /** The signature. @throws DeltaError `signed-length-differs` if fewer bytes came than announced */
  digest(): Uint8Array {
    if (this.#seen !== this.#contentLength) throw this.#lengthError();
    if (this.#filled > 0) this.#writeBlock(this.#pending, 0, this.#filled);
    this.#filled = 0;
    return this.#output;
  }

  #keep(bytes: Uint8Array): void {
    this.#pending.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  #writeHeader(): void {
    this.#view.setUint32(0, SIGNATURE_MAGIC);
    this.#view.setUint8(4, SIGNATURE_FORMAT);
    this.#view.setUint8(5, this.#strongLength);
    this.#view.setUint32(6, this.#blockLength);
    this.#view.setBigUint64(10, BigInt(this.#contentLength));
    new TextEncoder().encodeInto(WEAK_SUM_NAME, this.#output.subarray(WEAK_NAME_OFFSET));
  }

  #writeBlock(bytes: Uint8Array, start: number, end: number): void {
    this.#view.setUint32(this.#outputOffset, weakSum(bytes, start, end));
    this.#outputOffset += WEAK_LENGTH;
    this.#strongSum.sum(bytes, start, end);
    this.#lanes.setUint32(0, this.#strongSum.high);
    this.#lanes.setUint32(4, this.#strongSum.low);
    for (let i = 0; i < this.#strongLength; i++) this.#output[this.#outputOffset + i] = this.#lanes.getUint8(i);
    this.#outputOffset += this.#strongLength;
  }

  #lengthError(): DeltaError {
    return new DeltaError(
      "signed-length-differs",
      `expected a content of ${this.#contentLength} bytes to sign, got ${this.#seen}`,
    );
  }
}

import { mixBits } from "./byte-hash.ts";

/**
 * How many different things came, by HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with linear counting for few:
 * one byte for each of 2^bits registers, relative standard error 1.04 / √(2^bits).
 */
export class DistinctCount {
  readonly #bits: number;
  readonly #registers: Uint8Array;

  /** @param bits 7 … 16 */
  constructor(bits: number) {
    this.#bits = bits;
    this.#registers = new Uint8Array(1 << bits);
  }

  /** @param hash 32 bits; more than about 2^30 different things are counted too low for it */
  add(hash: number): void {
    const mixed = mixBits(hash ^ 0x165667b1);
    const register = mixed >>> (32 - this.#bits);
    const rank = Math.min(Math.clz32(mixed << this.#bits), 32 - this.#bits) + 1;
    if (rank > this.#registers[register]!) this.#registers[register] = rank;
  }

  estimate(): number {
    const length = this.#registers.length;
    let sum = 0;
    let empty = 0;
    for (const rank of this.#registers) {
      sum += 2 ** -rank;
      if (rank === 0) empty++;
    }
    const raw = ((0.7213 / (1 + 1.079 / length)) * length ** 2) / sum;
    return raw <= 2.5 * length && empty > 0 ? length * Math.log(length / empty) : raw;
  }
}

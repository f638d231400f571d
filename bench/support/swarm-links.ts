import { TestNetwork, type LinkRates, type TestHost } from "../../test/support/network.ts";

/** equal: all alike. asymmetric: mirrors send a quarter of what they receive. slow-central: a tenth. unequal: half, once, twice in turn. */
export const LINK_KINDS = ["equal", "asymmetric", "slow-central", "unequal"] as const;
export type LinkKind = (typeof LINK_KINDS)[number];

interface Rates {
  readonly upBits: number;
  readonly downBits: number;
}

/** Central and mirrors on hosts with shaped links. */
export class SwarmLinks implements Disposable {
  readonly central: TestHost;
  readonly mirrors: readonly TestHost[];
  readonly #network = new TestNetwork();
  readonly #centralRates: Rates;
  readonly #mirrorRates: readonly Rates[];

  constructor(kind: LinkKind, mirrors: number, bitsPerSecond: number) {
    const scale = kind === "slow-central" ? 0.1 : 1;
    this.#centralRates = { upBits: bitsPerSecond * scale, downBits: bitsPerSecond * scale };
    this.#mirrorRates = Array.from({ length: mirrors }, (_, index) => mirrorRates(kind, index, bitsPerSecond));
    this.central = this.#network.addHost("central", wordsOf(this.#centralRates));
    this.mirrors = this.#mirrorRates.map((rates, index) => this.#network.addHost(`m${index}`, wordsOf(rates)));
  }

  /** Kumar and Ross: no way to bring so many bytes to all mirrors is quicker than this. */
  boundSeconds(bytes: number): number {
    const bits = 8 * bytes;
    const slowest = Math.min(...this.#mirrorRates.map(({ downBits }) => downBits));
    const givenBits = this.#mirrorRates.reduce((sum, { upBits }) => sum + upBits, this.#centralRates.upBits);
    return Math.max(bits / this.#centralRates.upBits, bits / slowest, (this.#mirrorRates.length * bits) / givenBits);
  }

  [Symbol.dispose](): void {
    this.#network[Symbol.dispose]();
  }
}

function mirrorRates(kind: LinkKind, index: number, bitsPerSecond: number): Rates {
  if (kind === "asymmetric") return { upBits: bitsPerSecond / 4, downBits: bitsPerSecond };
  const factor = kind === "unequal" ? [0.5, 1, 2][index % 3]! : 1;
  return { upBits: bitsPerSecond * factor, downBits: bitsPerSecond * factor };
}

function wordsOf({ upBits, downBits }: Rates): LinkRates {
  return { up: `${Math.round(upBits)}bit`, down: `${Math.round(downBits)}bit` };
}

import { execFileSync } from "node:child_process";
import { type FluidSwarm, kumarRossSeconds, oneCopySeconds } from "../../src/model/kumar-ross.ts";
import { TestNetwork, type LinkRates, type TestHost } from "../../test/support/network.ts";

/**
 * equal: all alike. asymmetric: mirrors send a quarter of what they receive. all-asymmetric: central, too. slow-central: a tenth.
 * unequal: half, once, twice in turn.
 */
export const LINK_KINDS = ["equal", "asymmetric", "all-asymmetric", "slow-central", "unequal"] as const;
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

  /** @param congestion TCP's congestion control on all hosts, as the kernel names it */
  constructor(kind: LinkKind, mirrors: number, bitsPerSecond: number, congestion: string) {
    this.#centralRates = centralRates(kind, bitsPerSecond);
    this.#mirrorRates = Array.from({ length: mirrors }, (_, index) => mirrorRates(kind, index, bitsPerSecond));
    this.central = this.#network.addHost("central", wordsOf(this.#centralRates));
    this.mirrors = this.#mirrorRates.map((rates, index) => this.#network.addHost(`m${index}`, wordsOf(rates)));
    for (const { enter } of [this.central, ...this.mirrors]) {
      const [command, ...words] = [...enter, "sysctl", "-q", "-w", `net.ipv4.tcp_congestion_control=${congestion}`];
      execFileSync(command, words);
    }
  }

  /** Kumar and Ross: no way to bring so many bytes to all mirrors is quicker than this. */
  boundSeconds(bytes: number): number {
    return kumarRossSeconds(this.#swarm(bytes));
  }

  /** The same if central sends a single copy. */
  oneCopySeconds(bytes: number): number {
    return oneCopySeconds(this.#swarm(bytes));
  }

  [Symbol.dispose](): void {
    this.#network[Symbol.dispose]();
  }

  #swarm(fileBytes: number): FluidSwarm {
    const peers = this.#mirrorRates.map(({ upBits, downBits }) => ({
      upBytesPerSecond: upBits / 8,
      downBytesPerSecond: downBits / 8,
    }));
    return { fileBytes, originUpBytesPerSecond: this.#centralRates.upBits / 8, peers };
  }
}

function centralRates(kind: LinkKind, bitsPerSecond: number): Rates {
  if (kind === "all-asymmetric") return { upBits: bitsPerSecond / 4, downBits: bitsPerSecond };
  const bits = kind === "slow-central" ? bitsPerSecond / 10 : bitsPerSecond;
  return { upBits: bits, downBits: bits };
}

function mirrorRates(kind: LinkKind, index: number, bitsPerSecond: number): Rates {
  if (kind === "asymmetric" || kind === "all-asymmetric") return { upBits: bitsPerSecond / 4, downBits: bitsPerSecond };
  const factor = kind === "unequal" ? [0.5, 1, 2][index % 3]! : 1;
  return { upBits: bitsPerSecond * factor, downBits: bitsPerSecond * factor };
}

function wordsOf({ upBits, downBits }: Rates): LinkRates {
  return { up: `${Math.round(upBits)}bit`, down: `${Math.round(downBits)}bit` };
}

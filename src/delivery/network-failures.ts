import { ExpiringMap } from "./expiring-map.ts";

/** More per network than this are not remembered: the longest unchanged goes. */
const MOST_PER_NETWORK = 32;

interface Failure {
  readonly volunteer: string;
  readonly atMs: number;
  /** The first customer that met it; undefined once another one of the network did. */
  readonly witness: string | undefined;
}

/** A customer and the network that it stands in. */
export interface Witness {
  /** Whom its address counts to. */
  readonly customer: string;
  readonly network: string;
}

/**
 * Volunteers that did not help customers within the last `lifetimeMs`: they count for the customer that met one, and for its whole network
 * once another customer there did, because one customer may say what it likes.
 */
export class NetworkFailures {
  readonly #lifetimeMs: number;
  readonly #byNetwork: ExpiringMap<readonly Failure[]>;

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
    this.#byNetwork = new ExpiringMap(lifetimeMs);
  }

  note(volunteer: string, { customer, network }: Witness, nowMs: number): void {
    const known = (this.#byNetwork.get(network, nowMs) ?? []).filter((failure) => this.#isFresh(failure, nowMs));
    const before = known.find((failure) => failure.volunteer === volunteer);
    const witness = before === undefined || before.witness === customer ? customer : undefined;
    const others = known.filter((failure) => failure !== before);
    this.#byNetwork.set(network, [...others, { volunteer, atMs: nowMs, witness }].slice(-MOST_PER_NETWORK), nowMs);
  }

  /** Ids of those that count for this customer. @param witnessOf computed only if anything is remembered at all */
  at(witnessOf: () => Witness, nowMs: number): readonly string[] {
    if (this.#byNetwork.size === 0) return NONE;
    const { customer, network } = witnessOf();
    const known = this.#byNetwork.get(network, nowMs);
    if (known === undefined) return NONE;
    return known
      .filter((failure) => this.#isFresh(failure, nowMs) && (failure.witness ?? customer) === customer)
      .map(({ volunteer }) => volunteer);
  }

  #isFresh({ atMs }: Failure, nowMs: number): boolean {
    return nowMs - atMs <= this.#lifetimeMs;
  }
}

const NONE: readonly string[] = [];

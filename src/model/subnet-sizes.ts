/** A size and the share of all hosts that live in subnets of it. */
export interface SizeShare {
  readonly hosts: number;
  readonly share: number;
}

/**
 * ν(i) = i · number of subnets with i hosts / number of hosts (Planet Scale Software Updates, eq. 2): the size of the subnet
 * of a host drawn at random. Shares sum to 1.
 */
export class SubnetSizes {
  readonly shares: readonly SizeShare[];

  private constructor(shares: readonly SizeShare[]) {
    this.shares = shares.filter(({ share }) => share > 0).sort((a, b) => a.hosts - b.hosts);
  }

  /** ν of subnets that were counted. @param hosts of each subnet; empty ones say nothing */
  static ofSubnets(hosts: Iterable<number>): SubnetSizes {
    const bySize = new Map<number, number>();
    for (const size of hosts) bySize.set(size, (bySize.get(size) ?? 0) + size);
    return SubnetSizes.ofWeights([...bySize].map(([size, share]) => ({ hosts: size, share })));
  }

  /** ν in proportion to the given weights. */
  static ofWeights(weights: readonly SizeShare[]): SubnetSizes {
    const total = weights.reduce((sum, { share }) => sum + share, 0);
    return new SubnetSizes(weights.map(({ hosts, share }) => ({ hosts, share: share / total })));
  }

  /** E_ν[f(S)]. */
  mean(f: (hosts: number) => number): number {
    return this.shares.reduce((sum, { hosts, share }) => sum + share * f(hosts), 0);
  }

  /** The share of hosts in subnets of at most so many hosts (figure 16). */
  cumulative(hosts: number): number {
    return this.shares.reduce((sum, size) => sum + (size.hosts <= hosts ? size.share : 0), 0);
  }

  /** How many subnets so many hosts make: N · E_ν[1/S]. */
  subnetsOf(hosts: number): number {
    return hosts * this.mean((size) => 1 / size);
  }
}

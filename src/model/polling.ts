/** Hosts ask for updates again after a time uniform in [least, most] seconds; 0 < least < most. */
export interface PollingRule {
  readonly leastSeconds: number;
  readonly mostSeconds: number;
}

/** [18, 22] hours, mean 20: Windows Update (Planet Scale Software Updates, section 2.1), and the shape of our daemons' rule (0.9 T to 1.1 T). */
export const WINDOWS_UPDATE_POLLING: PollingRule = { leastSeconds: 18 * 3600, mostSeconds: 22 * 3600 };

/**
 * How much hosts that began at the same hour still do so after `polls` polls: the first Fourier coefficient of their times of
 * day, 1 together … 0 spread evenly. Footnote 3 says that it goes to 0; each poll takes the factor |sin x / x|, x = π (most −
 * least) / 24 h.
 */
export function dayMemory({ leastSeconds, mostSeconds }: PollingRule, polls: number): number {
  const x = (Math.PI * (mostSeconds - leastSeconds)) / 86_400;
  return Math.abs(Math.sin(x) / x) ** polls;
}

/**
 * How many seconds after a release a host asks first, seen from a moment that has nothing to do with its polls: the residual
 * time of its interval (Planet Scale Software Updates, eq. 4). Uniform until `least`, then less and less until `most`.
 */
export class QueryTime {
  readonly rule: PollingRule;
  /** a* = sup A(t)/t, queries per second and host; here the plain polling rate 2 / (least + most). */
  readonly peakRatePerSecond: number;
  readonly #spread: number;

  constructor(rule: PollingRule) {
    this.rule = rule;
    this.peakRatePerSecond = 2 / (rule.leastSeconds + rule.mostSeconds);
    this.#spread = rule.mostSeconds ** 2 - rule.leastSeconds ** 2;
  }

  /** A(t): the share of hosts that asked within t seconds. */
  share(seconds: number): number {
    const { leastSeconds, mostSeconds } = this.rule;
    if (seconds <= 0) return 0;
    if (seconds >= mostSeconds) return 1;
    if (seconds <= leastSeconds) return seconds * this.peakRatePerSecond;
    return 1 - (mostSeconds - seconds) ** 2 / this.#spread;
  }

  /** a(t): share of the hosts per second. Nowhere rising. */
  density(seconds: number): number {
    const { leastSeconds, mostSeconds } = this.rule;
    if (seconds < 0 || seconds >= mostSeconds) return 0;
    return seconds <= leastSeconds ? this.peakRatePerSecond : (2 * (mostSeconds - seconds)) / this.#spread;
  }

  /** The time until which `share` of the hosts asked; the inverse of {@link share}, to draw from. @param share 0 … 1 */
  secondsAt(share: number): number {
    const { leastSeconds, mostSeconds } = this.rule;
    const uniform = share / this.peakRatePerSecond;
    return uniform <= leastSeconds ? uniform : mostSeconds - Math.sqrt((1 - share) * this.#spread);
  }
}

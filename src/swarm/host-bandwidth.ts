import { type BudgetClaim, FairBudget } from "./fair-budget.ts";
import { TokenBucket } from "./rate-limit.ts";

/** What a program may send and receive, bytes per second above TCP; Infinity: no limit. */
export interface BandwidthLimits {
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
}

export const UNLIMITED_BANDWIDTH: BandwidthLimits = {
  uploadBytesPerSecond: Infinity,
  downloadBytesPerSecond: Infinity,
};

/** What one bundle's session takes from; undefined where nothing is limited. */
export interface SessionBandwidth {
  /** Shared by all bundles: what they give together is one share beside the customers'. */
  readonly upload: BudgetClaim | undefined;
  /** Of this bundle alone. */
  readonly download: BudgetClaim | undefined;
}

/** Customers first: the swarm has one byte of fifteen, which with what turns cost slows them by a tenth at most (decision 0054). */
const CUSTOMER_WEIGHT = 14;

/** The one budget of a host in each direction, shared by HTTP and the swarm. */
export class HostBandwidth {
  /** For bytes sent to customers over HTTP. */
  readonly customers: BudgetClaim | undefined;
  /** For contents fetched over HTTP. */
  readonly fetches: BudgetClaim | undefined;
  readonly #swarmUpload: BudgetClaim | undefined;
  readonly #download: FairBudget | undefined;

  constructor(limits: BandwidthLimits, nowMs: number) {
    const upload = budgetOf(limits.uploadBytesPerSecond, nowMs);
    this.#download = budgetOf(limits.downloadBytesPerSecond, nowMs);
    this.customers = upload?.claim(CUSTOMER_WEIGHT);
    this.#swarmUpload = upload?.claim();
    this.fetches = this.#download?.claim();
  }

  /** For a bundle that is talked about; its `download` is to be left when it is not any more. */
  forSession(): SessionBandwidth {
    return { upload: this.#swarmUpload, download: this.#download?.claim() };
  }
}

function budgetOf(bytesPerSecond: number, nowMs: number): FairBudget | undefined {
  return bytesPerSecond === Infinity ? undefined : new FairBudget(new TokenBucket(bytesPerSecond, nowMs));
}

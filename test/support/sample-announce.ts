import type { BundleHave, HoldingsReport } from "../../src/tracker/holdings.ts";
import type { VolunteerAnnounce } from "../../src/tracker/volunteer-announce.ts";

/** Holds all of a release. */
export function complete(release: number): HoldingsReport {
  return { base: 0, completeRelease: release, bundles: new Map() };
}

/** Changes to the holdings that the answer `base` named; 0: to nothing. */
export function bundles(base: number, ...rows: readonly [number, BundleHave][]): HoldingsReport {
  return { base, completeRelease: undefined, bundles: new Map(rows) };
}

/** Of an idle full mirror that takes no customers. */
export function announceOf(id: string, change: Partial<VolunteerAnnounce> = {}): VolunteerAnnounce {
  return {
    peerId: id,
    port: 7382,
    uploadedBytes: 0,
    downloadedBytes: 0,
    leftBytes: 0,
    event: undefined,
    repository: "0".repeat(32),
    release: 1,
    isSyncing: false,
    bytesLeft: 0,
    customers: 0,
    customerBytesLeft: 0,
    uploadBytesPerSecond: 0,
    uploadCapacityBytesPerSecond: 0,
    site: undefined,
    url: undefined,
    customersFrom: "any",
    isOnlyRedirected: false,
    volatileQuotaBytes: undefined,
    isByName: false,
    expectedMs: undefined,
    border: undefined,
    transfers: undefined,
    known: undefined,
    holdings: complete(1),
    ...change,
  };
}

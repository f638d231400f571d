import type { LiveVolunteer } from "../../../src/tracker/live-volunteer.ts";

/** Reachable, heard of, and fetching something. */
export function sampleVolunteer(id: string, site: string): LiveVolunteer {
  return {
    id,
    host: "192.0.2.1",
    port: 1,
    portState: "reachable",
    portCheckedMs: 0,
    site,
    url: undefined,
    customersFrom: "any",
    isOnlyRedirected: false,
    volatileQuotaBytes: undefined,
    isByName: false,
    expectedMs: undefined,
    isAway: false,
    release: 1,
    isSyncing: true,
    bytesLeft: 1,
    customers: 0,
    customerBytesLeft: 0,
    uploadBytesPerSecond: 0,
    uploadCapacityBytesPerSecond: 0,
    givenBytes: 0,
    holdings: { completeRelease: 0, bundles: new Map() },
    holdingsId: 1,
    lastSeenMs: 0,
    lastSeenWallMs: 0,
  };
}

import { z } from "zod";
import { bundlesHeld, type BundleHave } from "./holdings.ts";
import type { SavedVolunteer } from "./live-volunteer.ts";

const count = z.int().min(0);
const volunteerSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{40}$/),
  host: z.string().max(64),
  port: z.int().min(1).max(65_535),
  portState: z.enum(["unchecked", "reachable", "unreachable"]),
  site: z.string().optional(),
  url: z.string().optional(),
  customersFrom: z.enum(["any", "site"]).default("any"),
  isOnlyRedirected: z.boolean().default(false),
  isByName: z.boolean().default(false),
  expectedMs: count.optional(),
  volatileQuotaBytes: count.optional(),
  isAway: z.boolean().default(false),
  release: count,
  isSyncing: z.boolean(),
  bytesLeft: count,
  customers: count,
  customerBytesLeft: count.default(0),
  uploadBytesPerSecond: count,
  uploadCapacityBytesPerSecond: count,
  givenBytes: count.default(0),
  completeRelease: count,
  /** Bundles of which something is held; how much is asked for again. */
  bundles: z.array(count),
  lastSeenWallMs: z.number(),
  unheardIntervals: z.number().min(0).default(0),
});
const snapshotSchema = z.object({ format: z.literal(1), volunteers: z.array(z.unknown()) });

/**
 * What is worth keeping of the registry over a restart, as JSON. Bitmaps stay out: they would make it hundreds of
 * megabytes, and the volunteers send them again when asked for full holdings.
 */
export function encodeRegistrySnapshot(volunteers: readonly SavedVolunteer[]): string {
  const rows = volunteers.map(({ holdings, holdingsId: _, lastSeenMs: __, portCheckedMs: ___, ...facts }) => ({
    ...facts,
    completeRelease: holdings.completeRelease,
    bundles: bundlesHeld(holdings),
  }));
  return JSON.stringify({ format: 1, volunteers: rows });
}

/** Reads a snapshot. It is a cache: a row that is damaged is left out, nothing is thrown. Undefined if it is no snapshot at all. */
export function parseRegistrySnapshot(text: string): readonly SavedVolunteer[] | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const snapshot = snapshotSchema.safeParse(json);
  if (!snapshot.success) return undefined;
  return snapshot.data.volunteers.flatMap((row) => {
    const parsed = volunteerSchema.safeParse(row);
    return parsed.success ? [volunteerOf(parsed.data)] : [];
  });
}

function volunteerOf(row: z.infer<typeof volunteerSchema>): SavedVolunteer {
  const { completeRelease, bundles, site, url, isByName, expectedMs, volatileQuotaBytes, ...facts } = row;
  const unknownExtent = (number: number): [number, BundleHave] => [number, new Uint8Array()];
  return {
    ...facts,
    site,
    url,
    isByName: isByName || expectedMs !== undefined,
    expectedMs,
    volatileQuotaBytes,
    holdings: { completeRelease, bundles: new Map(bundles.map(unknownExtent)) },
    holdingsId: undefined,
    portCheckedMs: 0,
    lastSeenMs: 0,
  };
}

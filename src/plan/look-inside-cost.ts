/** What getting a compressed content by way of its inner one takes; bytes, and bytes per second. */
export interface LookInsideCost {
  /** Of the compressed content, all of which is to be fetched otherwise. */
  readonly compressedBytes: number;
  readonly signatureBytes: number;
  /** Of the inner content, after the search; 0 before it. */
  readonly missingBytes: number;
  /** Of the swarm, as measured; undefined if nothing was fetched yet. */
  readonly bytesPerSecond: number | undefined;
  /** Compressed bytes that this host makes, as measured. */
  readonly recompressedBytesPerSecond: number;
}

/**
 * Is the way over the inner content worth it? Quicker: signature and missing bytes at the swarm's rate, then the
 * recompression. Without a measured rate nobody knows, so it is not. With `savesTraffic` fewer bytes are enough.
 */
export function isWorthLookingInside(cost: LookInsideCost, savesTraffic: boolean): boolean {
  const { compressedBytes, signatureBytes, missingBytes, bytesPerSecond, recompressedBytesPerSecond } = cost;
  const fetchedBytes = signatureBytes + missingBytes;
  if (savesTraffic) return fetchedBytes < compressedBytes;
  if (bytesPerSecond === undefined) return false;
  return (
    fetchedBytes / bytesPerSecond + compressedBytes / recompressedBytesPerSecond < compressedBytes / bytesPerSecond
  );
}

/** Hosts of one subnet that need each update; a cache there fetches each of them once. */
export interface SubnetDemand {
  readonly hasCache: boolean;
  /** By update; whole numbers, 0 allowed. */
  readonly hostsByUpdate: readonly number[];
}

/** What caches take off the server (Planet Scale Software Updates, section 5.1). */
export interface CacheSavings {
  /** μ: share of all downloads that is needed behind caches. */
  readonly coveredShare: number;
  /** S̄: downloads per cache and update that is needed there at all; NaN if there is none. */
  readonly meanPerCache: number;
  /** α: share of the server's work that is saved. */
  readonly savedShare: number;
}

/** α = μ (1 − 1/S̄). */
export function cacheSavedShare(coveredShare: number, meanPerCache: number): number {
  return coveredShare * (1 - 1 / meanPerCache);
}

/** μ, S̄ and α of a demand. Weigh by bytes by giving the counts times the update's length. @throws RangeError without any demand */
export function cacheSavings(subnets: readonly SubnetDemand[]): CacheSavings {
  const total = sumOf(subnets.flatMap(({ hostsByUpdate }) => hostsByUpdate));
  if (total === 0) throw new RangeError("expected a download at least, got none");
  const cached = subnets.filter(({ hasCache }) => hasCache).flatMap(({ hostsByUpdate }) => hostsByUpdate);
  const covered = sumOf(cached);
  const coveredShare = covered / total;
  const meanPerCache = covered / cached.filter((hosts) => hosts > 0).length;
  const savedShare = covered === 0 ? 0 : cacheSavedShare(coveredShare, meanPerCache);
  return { coveredShare, meanPerCache, savedShare };
}

/** Downloads from the server, if caches keep everything: one per cache and needed update, and all that lie behind no cache. */
export function serverDownloads(subnets: readonly SubnetDemand[]): number {
  return sumOf(
    subnets.flatMap(({ hasCache, hostsByUpdate }) => (hasCache ? hostsByUpdate.map(Math.sign) : hostsByUpdate)),
  );
}

/**
 * Share of a file's bytes that the server still sends, if every host, once it has the file, uploads at `uploadRatio` times
 * its download rate for `stayRatio` times as long as the download took; many hosts, so that demand and supply overlap
 * (section 5.2, figure 13).
 */
export function peerAssistedServerShare(uploadRatio: number, stayRatio: number): number {
  return Math.max(0, 1 - uploadRatio * stayRatio);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

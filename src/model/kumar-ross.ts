/** Kumar and Ross (HOTWEB 2006): what a swarm is made of. Rates in bytes per second. */
export interface FluidSwarm {
  readonly fileBytes: number;
  readonly originUpBytesPerSecond: number;
  readonly peers: readonly { readonly upBytesPerSecond: number; readonly downBytesPerSecond: number }[];
}

/**
 * Seconds within which no scheme at all brings a file to all peers: the origin must send it once, the slowest peer must
 * take it, and all lines up together must carry it N times. Reached in the fluid limit.
 */
export function kumarRossSeconds({ fileBytes, originUpBytesPerSecond, peers }: FluidSwarm): number {
  const slowestDown = Math.min(...peers.map((peer) => peer.downBytesPerSecond));
  const allUp = peers.reduce((sum, peer) => sum + peer.upBytesPerSecond, originUpBytesPerSecond);
  return Math.max(fileBytes / originUpBytesPerSecond, fileBytes / slowestDown, (peers.length * fileBytes) / allUp);
}

/**
 * The same where the origin sends a single copy and no more: the peers must give the other N − 1 among themselves. Where
 * their lines up are slow this is later than {@link kumarRossSeconds}, which lets the origin send all the time.
 */
export function oneCopySeconds(swarm: FluidSwarm): number {
  const peersUp = swarm.peers.reduce((sum, peer) => sum + peer.upBytesPerSecond, 0);
  return Math.max(kumarRossSeconds(swarm), ((swarm.peers.length - 1) * swarm.fileBytes) / peersUp);
}

/** Seconds that plain download takes when all fetch from the origin at the same time and share its line. */
export function plainDownloadSeconds({ fileBytes, originUpBytesPerSecond, peers }: FluidSwarm): number {
  const slowestDown = Math.min(...peers.map((peer) => peer.downBytesPerSecond));
  return Math.max((peers.length * fileBytes) / originUpBytesPerSecond, fileBytes / slowestDown);
}

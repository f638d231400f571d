import { paceOf } from "../net/pace.ts";
import { download, type DownloadFailure } from "./download.ts";
import { LineRate } from "./line-rate.ts";
import { rebuildInside } from "./look-inside-rebuild.ts";
import type { ReusedOrInside } from "./look-inside.ts";
import type { Mirror } from "./mirror.ts";
import type { ReusedContent } from "./reuse.ts";
import { deltaBytesOf, literalBytesOf } from "./sync-figures.ts";
import type { SyncOptions } from "./sync-options.ts";
import type { SyncProgress } from "./sync-progress.ts";

/** First what comes by way of inner contents, then all the rest, and what could not be made. */
export async function fetchMissing(
  mirror: Mirror,
  local: ReusedOrInside,
  { progress, findsBy }: Pick<SyncOptions, "findsBy"> & { readonly progress: SyncProgress },
): Promise<{ readonly reused: readonly ReusedContent[]; readonly failed: readonly DownloadFailure[] }> {
  const { index, swarm, http, ports } = mirror;
  const rate = new LineRate(() => swarm.counters.receivedBytes + http.receivedBytes, ports.clock);
  const context = {
    ...mirror,
    findsBy,
    log: ports.log,
    signal: ports.signal,
    clock: ports.clock,
    rate,
    pace: paceOf(mirror.bandwidth.fetches, ports.clock),
    onProgress: (receivedBytes: number, wantedBytes: number) => {
      // What failed its hash is received more than once.
      mirror.situation.load = { ...mirror.situation.load, bytesLeft: Math.max(0, wantedBytes - receivedBytes) };
      progress.onBytes(receivedBytes, wantedBytes);
    },
  };
  const reused = [...local.reused, ...(await rebuildInside(local.inside, context))];
  const transfers = reused.flatMap(({ transfer }) => (transfer === undefined ? [] : [transfer]));
  const failed = await download(transfers, context);
  noteObtained(mirror, reused);
  // What the next sync goes by when it chooses between fetching and working.
  const bytesPerSecond = rate.revise(index.facts.get("downloadBytesPerSecond"));
  if (bytesPerSecond !== undefined) index.facts.set("downloadBytesPerSecond", bytesPerSecond);
  return { reused, failed };
}

function noteObtained({ situation, swarm, central }: Mirror, reused: readonly ReusedContent[]): void {
  const wantedBytes = reused.reduce((sum, { wanted }) => sum + wanted.lengthBytes, 0);
  const { receivedFromPeersBytes, receivedFromOriginBytes } = swarm.counters;
  situation.obtained = {
    reused: situation.obtained.reused + wantedBytes - literalBytesOf(reused),
    delta: situation.obtained.delta + deltaBytesOf(reused),
    fromPeers: receivedFromPeersBytes,
    fromOrigin: receivedFromOriginBytes + central.contentBytes,
  };
}

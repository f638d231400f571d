import type { Selection } from "../filter/selection.ts";
import type { Release } from "../manifest/release.ts";
import type { SyncPlan } from "../plan/plan-sync.ts";
import type { SyncSummary } from "../report/sync-summary.ts";
import type { Mirror } from "./mirror.ts";
import type { ReusedContent } from "./reuse.ts";

interface Reading {
  readonly fromPeers: number;
  readonly fromOrigin: number;
  readonly received: number;
  readonly uploaded: number;
  readonly atMs: number;
}

/** Bytes and time from its creation on: sockets are counted, not what we think we asked for. */
export class TrafficMeter {
  readonly #mirror: Mirror;
  readonly #start: Reading;

  constructor(mirror: Mirror) {
    this.#mirror = mirror;
    this.#start = this.#read();
  }

  since(): Omit<Reading, "atMs"> & { readonly metadata: number; readonly seconds: number } {
    const now = this.#read();
    const fromPeers = now.fromPeers - this.#start.fromPeers;
    const fromOrigin = now.fromOrigin - this.#start.fromOrigin;
    const received = now.received - this.#start.received;
    return {
      fromPeers,
      fromOrigin,
      received,
      uploaded: now.uploaded - this.#start.uploaded,
      metadata: received - fromPeers - fromOrigin,
      seconds: (now.atMs - this.#start.atMs) / 1000,
    };
  }

  #read(): Reading {
    const { swarm, http, central, ports } = this.#mirror;
    const { receivedBytes, receivedFromPeersBytes, receivedFromOriginBytes, uploadedBytes } = swarm.counters;
    const fromOrigin = receivedFromOriginBytes + central.contentBytes;
    return {
      fromPeers: receivedFromPeersBytes,
      fromOrigin,
      received: receivedBytes + http.receivedBytes,
      uploaded: uploadedBytes,
      atMs: ports.clock.monotonicMs(),
    };
  }
}

/** Files of a release and their bytes. */
type ReleaseTotals = Pick<Release["totals"], "files" | "bytes">;

/** As remembered in the index. */
interface SelectedTotals extends ReleaseTotals {
  readonly release: number;
  /** Id of the selection. */
  readonly selection: string;
}

/** What a mirror holds of the held release once all is there; counted once for each release and selection. */
export function totalsOf({ index, selected }: Mirror, release: Release, selection: Selection): ReleaseTotals {
  if (selection.isEverything) return release.totals;
  const key = { release: release.number, selection: selected.id };
  const counted = JSON.parse(index.facts.get("selectedTotals") ?? "{}") as Partial<SelectedTotals>;
  if (counted.release === key.release && counted.selection === key.selection) return counted as SelectedTotals;
  const totals = { files: 0, bytes: 0 };
  for (const entry of index.manifest.entries()) {
    if (entry.kind !== "file" || selection.verdictOn(entry.path, entry, false) !== "wanted") continue;
    totals.files++;
    totals.bytes += entry.size;
  }
  index.facts.set("selectedTotals", JSON.stringify({ ...key, ...totals } satisfies SelectedTotals));
  return totals;
}

/** A content as it came, or is expected to come. */
export type ObtainedContent = Pick<ReusedContent, "wanted" | "how" | "reusedBytes">;

/** Files per way their content came. */
export interface ChangedFiles {
  readonly copied: number;
  readonly delta: number;
  readonly fetched: number;
}

/** The figures of a sync, in the form that `--json` promises. */
export function summarize(done: {
  readonly release: number;
  readonly totals: ReleaseTotals;
  readonly previous: number;
  readonly changed: ChangedFiles;
  readonly literalBytes: number;
  readonly removed: number;
  readonly heldBack: number;
  readonly meter: TrafficMeter;
}): SyncSummary {
  const { totals } = done;
  const traffic = done.meter.since();
  const { copied, delta, fetched } = done.changed;
  return {
    release: done.release,
    previous: done.previous,
    files: {
      total: totals.files,
      kept: totals.files - copied - delta - fetched,
      copied,
      delta,
      fetched,
      removed: done.removed,
      ...(done.heldBack > 0 && { heldBack: done.heldBack }),
    },
    bytes: {
      total: totals.bytes,
      reused: totals.bytes - done.literalBytes,
      received: traffic.received,
      fromPeers: traffic.fromPeers,
      fromOrigin: traffic.fromOrigin,
      metadata: traffic.metadata,
      uploaded: traffic.uploaded,
    },
    seconds: traffic.seconds,
  };
}

/** Bytes of contents that no file of DEST had, as far as this host knows before it asks others. */
export function literalBytesOf(reused: readonly ObtainedContent[]): number {
  return reused.reduce((sum, { wanted, how, reusedBytes }) => {
    return sum + (how === "copied" ? 0 : wanted.lengthBytes - reusedBytes);
  }, 0);
}

/** Bytes of contents that stood in other files, as far as this host found them there. */
export function deltaBytesOf(reused: readonly ObtainedContent[]): number {
  return reused.reduce((sum, { how, reusedBytes }) => sum + (how === "delta" ? reusedBytes : 0), 0);
}

/** Further paths of one content are copies. */
export function countChanged(plan: SyncPlan, reused: readonly ObtainedContent[]): ChangedFiles {
  const counts = { copied: 0, delta: 0, fetched: 0 };
  for (const { wanted, how } of reused) {
    counts[how]++;
    counts.copied += wanted.paths.length - 1;
  }
  counts.copied += plan.decisions.filter((decision) => decision.action === "link").length;
  return counts;
}

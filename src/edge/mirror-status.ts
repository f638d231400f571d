import type { DuplicateTotals } from "../store/mirror-index-files.ts";
import type { Mirror } from "./mirror.ts";

/** What `prsync status DEST` and `--json` tell of a mirror. */
export interface MirrorStatus {
  readonly program: "mirror";
  readonly name: string;
  readonly volunteer: string;
  readonly repository: string;
  readonly central: string;
  /** Held release, 0 none. */
  readonly release: number;
  /** True once every file of it was hashed. */
  readonly isComplete: boolean;
  /** Central's signed metadata has ended (central was out of reach for a day): what is held is served on, but may be old. */
  readonly isStale: boolean;
  readonly isSyncing: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly verifiedFiles: number;
  readonly duplicates: DuplicateTotals;
  /** Paths that the next sync must look at. */
  readonly pending: number;
  /** Paths that the release lacks and that wait for --delete-after-age. */
  readonly heldBack: number;
  readonly peers: number;
  readonly uploadedBytes: number;
  readonly receivedBytes: number;
}

export function mirrorStatus(mirror: Mirror): MirrorStatus {
  const { identity, index, holdings, situation, swarm } = mirror;
  const { files, bytes, verifiedFiles } = index.files.totals();
  return {
    program: "mirror",
    name: identity.name,
    volunteer: identity.volunteer,
    repository: identity.repository,
    central: identity.centralUrl,
    release: holdings.heldRelease,
    isComplete: holdings.isComplete,
    isStale: situation.trustEndsMs !== undefined && mirror.ports.clock.wallMs() > situation.trustEndsMs,
    isSyncing: situation.load.isSyncing,
    files,
    bytes,
    verifiedFiles,
    duplicates: index.files.duplicates(),
    pending: index.files.pending().length,
    heldBack: index.gone.count(),
    peers: swarm.connections().length,
    uploadedBytes: swarm.counters.uploadedBytes,
    receivedBytes: swarm.counters.receivedBytes,
  };
}

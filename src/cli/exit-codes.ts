import { CoreError, DISK_FAILURES, isSystemError, PrsyncError, type CoreErrorCode } from "../core/errors.ts";
import { CentralError, type CentralErrorCode } from "../central/errors.ts";
import { CodecError, type CodecErrorCode } from "../codec/errors.ts";
import { DeltaError, type DeltaErrorCode } from "../delta/errors.ts";
import { SyncError, type SyncErrorCode } from "../edge/errors.ts";
import { FilterError, type FilterErrorCode } from "../filter/errors.ts";
import { ManifestError, type ManifestErrorCode } from "../manifest/errors.ts";
import { NetError, type NetErrorCode } from "../net/errors.ts";
import { PublisherError, type PublisherErrorCode } from "../publisher/errors.ts";
import { StoreError, type StoreErrorCode } from "../store/errors.ts";
import { SwarmError, type SwarmErrorCode } from "../swarm/errors.ts";
import { TrackerError, type TrackerErrorCode } from "../tracker/errors.ts";
import { TrustError, type TrustErrorCode } from "../trust/errors.ts";
import { UsageError } from "./arguments.ts";
import { ConfigError } from "./config/config-error.ts";
import { HookError } from "./hook-error.ts";
import { LogReadingError } from "./log-reading-error.ts";
import { RunningProgramError } from "./running-program-error.ts";

/** Exit codes of design: rsync's where rsync has one. docs/errors.md lists which failure ends in which. */
export const EXIT = {
  ok: 0,
  usage: 1,
  protocol: 2,
  unusableDirectory: 3,
  notTrusted: 5,
  network: 10,
  disk: 11,
  malformed: 12,
  signal: 20,
  hook: 21,
  someFilesFailed: 23,
  sourceChanged: 24,
  maxDelete: 25,
  timeout: 30,
  alreadyRunning: 35,
} as const;

/** Codes of a class of errors → exit codes, grouped by exit code. The compiler sees to it that none is forgotten. */
type Codes<Code extends string> = Readonly<Record<Code, number>>;

const { usage, protocol, unusableDirectory, notTrusted, network, disk, malformed, someFilesFailed, sourceChanged } =
  EXIT;

const CORE: Codes<CoreErrorCode> = {
  ...all(malformed, "bad-path", "bad-content-id", "bad-range", "bad-time"),
  ...all(usage, "bad-size", "bad-layout"),
};

const CODEC: Codes<CodecErrorCode> = all(malformed, "bad-bencode", "bad-json", "bad-zstd", "bad-gzip", "gzip-too-long");

const DELTA: Codes<DeltaErrorCode> = {
  "bad-signature": malformed,
  "bad-sketch": malformed,
  "unknown-signature": protocol,
  "bad-block-length": usage,
  "signed-length-differs": sourceChanged,
};

const MANIFEST: Codes<ManifestErrorCode> = {
  ...all(malformed, "bad-entry", "bad-chunk", "bad-index", "bad-change-list", "bad-release", "bad-bundle-list"),
  ...all(
    malformed,
    "bad-content-table",
    "bad-records",
    "bad-torrent",
    "bad-recompression",
    "bad-groups",
    "bad-order",
    "path-conflict",
    "change-mismatch",
    "hash-mismatch",
  ),
  "unknown-requirement": protocol,
};

const TRUST: Codes<TrustErrorCode> = {
  ...all(notTrusted, "rollback", "fast-forward", "expired", "bad-signature", "inconsistent", "wrong-root"),
  ...all(notTrusted, "wrong-repository", "malformed", "clock-behind", "damaged-state", "missing-key", "bad-key"),
  ...all(notTrusted, "bad-ticket", "bad-enrolment", "bad-pass", "expired-pass"),
  "bad-threshold": usage,
};

const TRACKER: Codes<TrackerErrorCode> = { "bad-announce": malformed, "bad-site-table": usage };

const SWARM: Codes<SwarmErrorCode> = {
  ...all(malformed, "bad-wire-message", "unknown-bundle"),
  "no-source": network,
  busy: EXIT.alreadyRunning,
};

const STORE: Codes<StoreErrorCode> = {
  ...all(unusableDirectory, "no-procfs", "root-unusable", "root-replaced", "staging-removed", "state-unsafe"),
  ...all(disk, "disk-full", "disk-read-only", "disk-failed", "index-damaged", "staging-thread-failed"),
  ...all(someFilesFailed, "not-a-file", "staged-missing", "staged-changed"),
  "content-changed": sourceChanged,
  "unpack-busy": network,
  "index-too-new": protocol,
  ...all(EXIT.alreadyRunning, "state-busy", "registry-busy"),
  "already-enrolled": notTrusted,
  ...all(usage, "temp-dir-unusable", "unknown-volunteer", "kernel-missing"),
};

const NET: Codes<NetErrorCode> = {
  ...all(network, "listen-failed", "control-failed", "unreachable", "too-slow", "too-large", "bad-status"),
  ...all(network, "bad-response", "peer-unreachable", "peer-refused"),
  timeout: EXIT.timeout,
  "unknown-command": protocol,
  "bad-message": malformed,
  "watch-failed": unusableDirectory,
};

const PUBLISHER: Codes<PublisherErrorCode> = {
  "tree-unusable": unusableDirectory,
  "work-directory-unusable": usage,
  "publish-running": EXIT.alreadyRunning,
  "publish-inconsistent": malformed,
  "hash-worker-failed": disk,
};

const FILTER: Codes<FilterErrorCode> = { "bad-rule": usage };

const CENTRAL: Codes<CentralErrorCode> = {
  "bad-audit-address": usage,
  "bad-command": malformed,
  "serve-running": EXIT.alreadyRunning,
};

const SYNC: Codes<SyncErrorCode> = {
  ...all(network, "central-refused", "content-unavailable"),
  ...all(malformed, "wrong-bytes", "manifest-mismatch"),
  ...all(notTrusted, "not-enrolled", "other-repository", "already-enrolled", "bad-ticket", "revoked"),
  "bad-selection": usage,
  "quota-too-small": usage,
  stopping: EXIT.signal,
  "search-failed": disk,
};

/** Codes may repeat between classes. Of a running program only the code is known: the first class that has it counts. */
export const EXIT_CODE_TABLES: readonly {
  readonly of: abstract new (...args: never[]) => PrsyncError;
  readonly codes: Readonly<Record<string, number>>;
}[] = [
  { of: UsageError, codes: { usage } },
  { of: ConfigError, codes: { "bad-config": usage } },
  { of: HookError, codes: { "hook-failed": EXIT.hook } },
  { of: LogReadingError, codes: { "log-thread-failed": disk } },
  { of: SyncError, codes: SYNC },
  { of: TrustError, codes: TRUST },
  { of: ManifestError, codes: MANIFEST },
  { of: StoreError, codes: STORE },
  { of: NetError, codes: NET },
  { of: SwarmError, codes: SWARM },
  { of: PublisherError, codes: PUBLISHER },
  { of: CentralError, codes: CENTRAL },
  { of: CodecError, codes: CODEC },
  { of: DeltaError, codes: DELTA },
  { of: TrackerError, codes: TRACKER },
  { of: FilterError, codes: FILTER },
  { of: CoreError, codes: CORE },
];

function all<Code extends string>(exitCode: number, ...codes: readonly Code[]): Codes<Code> {
  return Object.fromEntries(codes.map((code) => [code, exitCode])) as Codes<Code>;
}

/** Errors of the operating system that name their reason well enough; the message is Node's. */
const SYSTEM_CODES: readonly (readonly [number, readonly string[]])[] = [
  [EXIT.disk, ["ENOSPC", "EDQUOT", "EROFS", "ESTALE", "EMFILE", "ENFILE", ...DISK_FAILURES]],
  [EXIT.unusableDirectory, ["EACCES", "EPERM", "ENOENT", "ENOTDIR", "EISDIR", "EEXIST", "ELOOP", "ENAMETOOLONG"]],
  [EXIT.network, ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "EADDRINUSE", "EPIPE", "ETIMEDOUT"]],
];

/** The exit code for whatever ended the program. What no table knows is a bug of ours and ends in 12. */
export function exitCodeOf(error: unknown): number {
  if (!isOurs(error)) return systemExitCodeOf(error) ?? EXIT.malformed;
  const tables = EXIT_CODE_TABLES.filter((table) => error instanceof RunningProgramError || error instanceof table.of);
  return tables.find(({ codes }) => Object.hasOwn(codes, error.code))?.codes[error.code] ?? EXIT.malformed;
}

/** Undefined for what is no failure of the operating system. */
export function systemExitCodeOf(error: unknown): number | undefined {
  return SYSTEM_CODES.find(([, codes]) => isSystemError(error, ...codes))?.[0];
}

/** `instanceof` alone would leave the code's type unknown. */
export function isOurs(error: unknown): error is PrsyncError {
  return error instanceof PrsyncError;
}

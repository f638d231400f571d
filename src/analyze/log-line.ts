export const LOG_FORMATS = ["combined", "common", "rsyncd"] as const;
/** `common` has no User-Agent; `rsyncd` is a transfer of an rsync daemon. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What a line tells of a mirror that synchronises. */
export const SYNC_STEPS = ["none", "begins", "goes-on", "ends"] as const;
export type SyncStep = (typeof SYNC_STEPS)[number];

/** What one line says; places are offsets into the bytes that were parsed. One object is filled again for each line. */
export interface LogLine {
  format: LogFormat;
  /** Since 1970, UTC. rsyncd writes local time without a zone: taken as UTC. */
  timeSeconds: number;
  clientFrom: number;
  clientTo: number;
  /** rsyncd's module, a directory before the path; empty otherwise. */
  moduleFrom: number;
  moduleTo: number;
  /** Path without scheme, host and query, still percent-encoded; empty if the request has none. */
  pathFrom: number;
  pathTo: number;
  /** Empty if not told. */
  agentFrom: number;
  agentTo: number;
  /** 0 for rsyncd. */
  status: number;
  /** Bytes of the answer's body; for rsyncd the file's length. */
  bytes: number;
  /** GET, or sent by rsync. */
  isRead: boolean;
  /** Of rsyncd: its number, 0 for all else; notes have a client only where a session begins. */
  process: number;
  sync: SyncStep;
}

/** `note`: a line of an rsync daemon that is no transfer out of it. */
export type LineOutcome = "request" | "note" | "malformed";

/** A line to be filled. */
export function emptyLogLine(): LogLine {
  return {
    format: "common",
    timeSeconds: 0,
    clientFrom: 0,
    clientTo: 0,
    moduleFrom: 0,
    moduleTo: 0,
    pathFrom: 0,
    pathTo: 0,
    agentFrom: 0,
    agentTo: 0,
    status: 0,
    bytes: 0,
    isRead: false,
    process: 0,
    sync: "none",
  };
}

import { PrsyncError } from "../core/errors.ts";

export type TrackerErrorCode = "bad-announce" | "bad-site-table";

/** A request to the tracker that is not what docs/protocol.md says; it changed nothing. */
export class TrackerError extends PrsyncError<TrackerErrorCode> {}

export function refuseAnnounce(problem: string): never {
  throw new TrackerError("bad-announce", `announce: ${problem}`);
}

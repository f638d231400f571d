import { PrsyncError } from "../core/errors.ts";

export type SwarmErrorCode = "bad-wire-message" | "no-source" | "busy" | "unknown-bundle";

/** What a peer sent is not what the protocol says, or the swarm can't do what it was asked. */
export class SwarmError extends PrsyncError<SwarmErrorCode> {}

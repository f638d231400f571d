import { PrsyncError } from "../core/errors.ts";

export type NetErrorCode =
  | "listen-failed"
  | "unknown-command"
  | "bad-message"
  | "control-failed"
  | "watch-failed"
  | "unreachable"
  | "timeout"
  | "too-slow"
  | "too-large"
  | "bad-status"
  | "bad-response"
  | "peer-unreachable"
  | "peer-refused";

/** A socket, or a program on the other end of one, does not do what this program needs. */
export class NetError extends PrsyncError<NetErrorCode> {}

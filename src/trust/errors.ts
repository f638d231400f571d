import { PrsyncError } from "../core/errors.ts";

export type TrustErrorCode =
  | "rollback"
  | "fast-forward"
  | "expired"
  | "bad-signature"
  | "inconsistent"
  | "wrong-root"
  | "wrong-repository"
  | "malformed"
  | "clock-behind"
  | "damaged-state"
  | "missing-key"
  | "bad-threshold"
  | "bad-key"
  | "bad-ticket"
  | "bad-enrolment"
  | "bad-pass"
  | "expired-pass";

/** Something is not trusted, or the state that trust rests on can't be used. Always exit code 5. */
export class TrustError extends PrsyncError<TrustErrorCode> {}

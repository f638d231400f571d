import type { Clock } from "../core/clock.ts";
import { issuePass, PASS_VALIDITY_MS } from "../trust/pass.ts";
import type { RepositoryAuthority } from "./ports.ts";

/** Passes of one hour are the same, so that announces need not repeat them. */
const STEP_MS = 3_600_000;

/** A fresh pass, valid for a week, to the full hour. */
export function passFor(
  authority: RepositoryAuthority,
  clock: Clock,
  holder: { readonly publicKey: Uint8Array; readonly origin?: boolean; readonly site?: string | undefined },
): string {
  const whole = { repository: authority.repositoryId, ...holder };
  const notAfterMs = clock.wallMs() + PASS_VALIDITY_MS;
  return issuePass(authority.passSigner, whole, notAfterMs - (notAfterMs % STEP_MS));
}

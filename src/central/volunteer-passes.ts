import type { Clock } from "../core/clock.ts";
import { issuePass, PASS_VALIDITY_MS } from "../trust/pass.ts";
import type { RepositoryAuthority } from "./ports.ts";

/** A fresh pass, valid for a week. */
export function passFor(
  authority: RepositoryAuthority,
  clock: Clock,
  holder: { readonly publicKey: Uint8Array; readonly origin?: boolean; readonly site?: string | undefined },
): string {
  const whole = { repository: authority.repositoryId, ...holder };
  return issuePass(authority.passSigner, whole, clock.wallMs() + PASS_VALIDITY_MS);
}

import type { Clock } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import { signedQuery } from "../trust/redirect-signature.ts";
import type { RepositoryAuthority } from "./ports.ts";

/** A signature is given to all customers of so many milliseconds: making one costs more than the rest of a redirect. */
const WINDOW_MS = 300_000;
/** At least two windows: a customer that asks at the end of one still has ten minutes to begin. */
const WINDOWS_VALID = 3;
/** About 300 bytes each. */
const MAX_REMEMBERED = 65_536;

/** Central's signatures for volunteers that serve nobody without one (`daemon --only-redirected`). */
export class RedirectSignatures {
  readonly #authority: RepositoryAuthority;
  readonly #clock: Clock;
  readonly #made = new Map<string, string>();
  #window = -1;

  constructor(authority: RepositoryAuthority, clock: Clock) {
    this.#authority = authority;
    this.#clock = clock;
  }

  /** What stands behind `?sha256=` in a URL of that volunteer. */
  queryFor(volunteer: string, content: ContentId): string {
    const window = Math.floor(this.#clock.wallMs() / WINDOW_MS);
    if (window !== this.#window || this.#made.size >= MAX_REMEMBERED) this.#made.clear();
    this.#window = window;
    const key = volunteer + content;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const { passSigner, repositoryId: repository } = this.#authority;
    const untilSeconds = ((window + WINDOWS_VALID) * WINDOW_MS) / 1000;
    const query = `&${signedQuery(passSigner, { repository, volunteer, content }, untilSeconds)}`;
    this.#made.set(key, query);
    return query;
  }
}

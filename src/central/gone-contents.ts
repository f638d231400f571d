import type { Clock } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import { ExpiringMap } from "../delivery/expiring-map.ts";

const TOLD_EVERY_MS = 60_000;

/** Which contents the log was told of lately: customers ask for a broken file as often as for others (row T12). */
export class GoneContents {
  readonly #clock: Clock;
  readonly #told = new ExpiringMap<true>(TOLD_EVERY_MS);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True at most once a minute for each content. */
  isNews(content: ContentId): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#told.get(content, nowMs) === true) return false;
    this.#told.set(content, true, nowMs);
    return true;
  }
}

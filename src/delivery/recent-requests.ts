import { ExpiringMap } from "./expiring-map.ts";

/** What a customer did about a content within the last seconds. */
export interface RecentRequest {
  /** Volunteers that it was sent to, the last one last. */
  readonly tried: readonly string[];
  /** It asked for the very same again: the last choice did not help. */
  readonly isRepeated: boolean;
  /** Another volunteer did not help either: central serves it now. */
  readonly isOriginDue: boolean;
}

interface Noted {
  readonly tried: readonly string[];
  readonly range: string | undefined;
  readonly repeats: number;
}

/** Clients that try again do so within seconds: curl after 1, 2 and 4, wget after up to 10. */
const REPEAT_WINDOW_MS = 10_000;
/** So many repeats in a row mean central; then it begins anew, since behind one address there may be a thousand machines. */
const REPEATS_BEFORE_ORIGIN = 2;

const NOTHING_YET: RecentRequest = { tried: [], isRepeated: false, isOriginDue: false };

/**
 * Requests of the last 10 s by customer and content, 65,536 at most. The same again means that the choice failed; another
 * `Range` of the same content is a client that fetches in parallel, or goes on where it was cut off: it is sent
 * elsewhere if there is another place, but not to central.
 */
export class RecentRequests {
  readonly #noted = new ExpiringMap<Noted>(REPEAT_WINDOW_MS);

  /** @param asked `customer`: whoever counts as one; `range`: the header as it came */
  look(asked: AskedContent, nowMs: number): RecentRequest {
    const noted = this.#noted.get(keyOf(asked), nowMs);
    if (noted === undefined) return NOTHING_YET;
    const isRepeated = noted.range === asked.range;
    const repeats = noted.repeats + (isRepeated ? 1 : 0);
    return { tried: noted.tried, isRepeated, isOriginDue: repeats >= REPEATS_BEFORE_ORIGIN };
  }

  /** The customer is sent to a volunteer. */
  noteRedirect(asked: AskedContent, volunteer: string, nowMs: number): void {
    const key = keyOf(asked);
    const noted = this.#noted.get(key, nowMs);
    const repeats = noted === undefined ? 0 : noted.repeats + (noted.range === asked.range ? 1 : 0);
    const tried = [...(noted?.tried ?? []).filter((id) => id !== volunteer), volunteer].slice(-MAX_TRIED);
    this.#noted.set(key, { tried, range: asked.range, repeats }, nowMs);
  }

  /** Central served the customer itself. */
  noteServed(asked: AskedContent): void {
    this.#noted.delete(keyOf(asked));
  }
}

export interface AskedContent {
  readonly customer: string;
  readonly content: string;
  readonly range: string | undefined;
}

const MAX_TRIED = 8;

function keyOf({ customer, content }: AskedContent): string {
  return `${customer} ${content}`;
}

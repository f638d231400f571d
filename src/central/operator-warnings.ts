import type { VolunteerStates } from "../tracker/volunteer-states.ts";
import { protocolOf } from "./file-routes.ts";
import type { ServeLog } from "./ports.ts";

export interface OperatorWarningsContext {
  readonly live: Pick<VolunteerStates, "all" | "isOutOfReach">;
  readonly log: Pick<ServeLog, "warn">;
  readonly publicUrl: string | undefined;
  /** They tell by which protocol each customer came. */
  readonly hasTrustedProxies: boolean;
  /** Central sends customers to volunteers. */
  readonly isRedirecting: boolean;
}

/** What the operator should look at; the log has each once. */
export class OperatorWarnings {
  readonly #context: OperatorWarningsContext;
  #metadata: readonly string[] = [];
  #told: string | undefined;

  constructor(context: OperatorWarningsContext) {
    this.#context = context;
  }

  get all(): readonly string[] {
    const { live, publicUrl, hasTrustedProxies, isRedirecting } = this.#context;
    if (!isRedirecting || hasTrustedProxies) return this.#metadata;
    const urls = live.all().flatMap((volunteer) => (live.isOutOfReach(volunteer) ? [] : (volunteer.url ?? [])));
    const protocols = protocolWarning(publicUrl, urls);
    return protocols === undefined ? this.#metadata : [...this.#metadata, protocols];
  }

  /** After each look at the metadata: what runs out, what could not be signed. */
  noteMetadata(warnings: readonly string[]): void {
    this.#metadata = warnings;
    for (const warning of warnings) this.#context.log.warn({}, warning);
  }

  /** To be called now and then: tells the log of what changed by itself. */
  look(): void {
    const last = this.all.at(-1);
    const news = last === undefined || this.#metadata.includes(last) ? undefined : last;
    if (news !== undefined && news !== this.#told) this.#context.log.warn({}, news);
    this.#told = news;
  }
}

/**
 * Said if no customer can be sent anywhere because of protocols alone: customers that come by https are never sent to a URL without TLS, and
 * those that come by http never to one with it. Undefined: there is nobody to send to, or somebody fits.
 *
 * @param urls of the volunteers that take customers
 */
export function protocolWarning(publicUrl: string | undefined, urls: readonly string[]): string | undefined {
  const own = protocolOf(publicUrl);
  if (urls.length === 0 || urls.some((url) => url.startsWith(`${own}:`))) return undefined;
  const other = own === "https" ? "http" : "https";
  const because = publicUrl === undefined ? "there is no --public-url" : `--public-url is ${publicUrl}`;
  return (
    `customers count as coming by ${own}, since ${because}, but the URLs of all mirrors begin with ${other}: ` +
    "central serves all customers itself"
  );
}

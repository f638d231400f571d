/** Whose customers a volunteer takes (`daemon --customers`). */
export type CustomerConsent = "any" | "site";

/** A volunteer as the choice sees it. */
export interface DeliveryVolunteer {
  readonly id: string;
  readonly name: string;
  readonly site: string | undefined;
  /** Base URL without a slash at the end; undefined if it takes no customers. */
  readonly url: string | undefined;
  readonly consent: CustomerConsent;
  /** The operator wants no customers there. */
  readonly isDraining: boolean;
  /** Two intervals without an announce. */
  readonly isSilent: boolean;
  /** It did not give what it says it holds; in words. */
  readonly auditFailure?: string | undefined;
  /** Its web server knows names, not contents. */
  readonly isByName?: boolean;
  /** It may be putting a release in place. */
  readonly isSyncing?: boolean;
  /** Release held, 0 none. */
  readonly release: number;
  readonly load: VolunteerLoad;
}

/** How busy a volunteer is. */
export interface VolunteerLoad {
  /** Open transfers of customers. */
  readonly customers: number;
  /** Of them, not sent yet. */
  readonly customerBytes: number;
  /** Its synchronisation has still to fetch. */
  readonly syncBytes: number;
  /** What its line takes, above 0. */
  readonly capacityBytesPerSecond: number;
}

/** Assumed of a volunteer that does not tell: 100 Mbit/s. */
export const DEFAULT_CAPACITY_BYTES_PER_SECOND = 12_500_000;

/** Transfers as which a synchronisation counts that shares a line with customers: connections of a swarm. */
export const SYNC_TRANSFERS = 16;

/**
 * How long others hold up a new transfer of so many bytes, in seconds: (outstanding customer bytes + remaining synchronisation
 * bytes) / capacity, but of each transfer no more than the new one has itself, because a line that is shared fairly carries as
 * much for each. A package does not wait for the image before it.
 */
export function expectedDelaySeconds(load: VolunteerLoad, lengthBytes: number): number {
  const { customers, customerBytes, syncBytes, capacityBytesPerSecond } = load;
  const ahead = Math.min(customerBytes, customers * lengthBytes) + Math.min(syncBytes, SYNC_TRANSFERS * lengthBytes);
  return ahead / capacityBytesPerSecond;
}

/** How long a new transfer of so many bytes will take, with what holds it up, in seconds. */
export function expectedSeconds(load: VolunteerLoad, lengthBytes: number): number {
  return expectedDelaySeconds(load, lengthBytes) + lengthBytes / load.capacityBytesPerSecond;
}

/**
 * What a new transfer of so many bytes adds to the response times of all customers there, in seconds: what it takes itself, and what it
 * holds up those that are open, which is as much as they hold it up.
 */
export function addedSeconds(load: VolunteerLoad, lengthBytes: number): number {
  const { customers, customerBytes, capacityBytesPerSecond } = load;
  return expectedSeconds(load, lengthBytes) + Math.min(customerBytes, customers * lengthBytes) / capacityBytesPerSecond;
}

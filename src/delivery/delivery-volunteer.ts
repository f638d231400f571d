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
  /** Release held, 0 none. */
  readonly release: number;
  readonly load: VolunteerLoad;
}

/** How busy a volunteer is. */
export interface VolunteerLoad {
  /** Promised to customers and not sent yet. */
  readonly customerBytes: number;
  /** Its synchronisation has still to fetch. */
  readonly syncBytes: number;
  /** What its line takes, above 0. */
  readonly capacityBytesPerSecond: number;
}

/** Assumed of a volunteer that does not tell: 100 Mbit/s. */
export const DEFAULT_CAPACITY_BYTES_PER_SECOND = 12_500_000;

/** Until a new customer is served, were all served in turn; synchronisation shares the line. In seconds. */
export function expectedWaitSeconds({ customerBytes, syncBytes, capacityBytesPerSecond }: VolunteerLoad): number {
  return (customerBytes + syncBytes) / capacityBytesPerSecond;
}

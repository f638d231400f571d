import type { Holdings } from "./holdings.ts";

/** Whether central could connect to the announced port. Only `reachable` ones are handed out as peers. */
export type PortState = "unchecked" | "reachable" | "unreachable";

/** One that was known before a restart. */
export interface SavedVolunteer extends LiveVolunteer {
  /** Since its last announce, intervals in which central ran; the next start may have another interval. */
  readonly unheardIntervals: number;
}

/** What central knows of a volunteer from its announces. Times are of {@link Clock.monotonicMs} unless named wall. */
export interface LiveVolunteer {
  readonly id: string;
  /** The address the announce came from, never a parameter. */
  readonly host: string;
  readonly port: number;
  readonly portState: PortState;
  readonly portCheckedMs: number;
  readonly site: string | undefined;
  readonly url: string | undefined;
  /** Whose customers it takes, if it has a URL. */
  readonly customersFrom: "any" | "site";
  /** It serves nobody without central's signature. */
  readonly isOnlyRedirected: boolean;
  /** A web server serves its customers that knows names alone: it gives what stands there, whatever content is asked for. */
  readonly isByName: boolean;
  /**
   * Between two syncs of a mirror that comes and goes, while a web server of its own serves customers, milliseconds; undefined if its
   * program serves them.
   */
  readonly expectedMs: number | undefined;
  /** It holds what central assigns, within so many bytes, and may vanish at any moment; undefined for any other. */
  readonly volatileQuotaBytes: number | undefined;
  /** It said farewell: no peer, but its web server goes on. */
  readonly isAway: boolean;
  /** Release held, 0 none. */
  readonly release: number;
  readonly isSyncing: boolean;
  readonly bytesLeft: number;
  readonly customers: number;
  /** Of their answers, still to be sent. */
  readonly customerBytesLeft: number;
  readonly uploadBytesPerSecond: number;
  readonly uploadCapacityBytesPerSecond: number;
  /** To other volunteers and customers since its program started. */
  readonly givenBytes: number;
  readonly holdings: Holdings;
  /** What the volunteer was told last; undefined after a restart: full holdings are wanted. */
  readonly holdingsId: number | undefined;
  readonly lastSeenMs: number;
  readonly lastSeenWallMs: number;
}

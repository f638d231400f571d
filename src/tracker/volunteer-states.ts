import type { LiveVolunteer, SavedVolunteer } from "./live-volunteer.ts";
import type { SiteBalance } from "./site-balance.ts";
import type { TransferTotals } from "./transfer-totals.ts";
import type { VolunteerAnnounce } from "./volunteer-announce.ts";

/** Who announced: proved by the signature, seen on the socket, known from the invitation. */
export interface Announcer {
  readonly id: string;
  readonly host: string;
  readonly site: string | undefined;
}

export interface AnnounceOutcome {
  readonly volunteer: LiveVolunteer;
  /** Goes into the answer. */
  readonly holdingsId: number;
  readonly fullHoldingsWanted: boolean;
  /** The port was not tried yet at this address, or long ago. */
  readonly isPortCheckDue: boolean;
}

/**
 * What announces told of the volunteers, as choices read it: many times per request, so at once. An adapter whose state lies in another
 * process keeps a copy here. A {@link LiveVolunteer} that was read never changes.
 */
export interface VolunteerStates {
  /** Another number after each announce, and when a volunteer goes or comes back. */
  readonly revision: number;
  get(id: string): LiveVolunteer | undefined;
  /** All that announced within the last week. */
  all(): readonly LiveVolunteer[];
  /** Said farewell, or two intervals without an announce: no peers go there. */
  isSilent(volunteer: LiveVolunteer): boolean;
  /** No customers go there: silent, or its next sync is twice overdue if others serve them meanwhile. */
  isOutOfReach(volunteer: LiveVolunteer): boolean;
  /** Volunteers of a site that are heard of, this one left out; 0 for one without a site. */
  neighbourCount(volunteer: LiveVolunteer): number;
  /** What crossed the borders of sites. */
  readonly balance: Pick<SiteBalance, "totals" | "debtOf">;
  /** What volunteers gave, and where theirs came from. */
  readonly transfers: Pick<TransferTotals, "total">;
}

/**
 * The same, with what changes it: central's state, behind a port (`test/contract/volunteer-state-store.ts` says what an adapter must do).
 * `LiveVolunteers` keeps it in memory; one that several front ends share can follow.
 */
export interface VolunteerStateStore extends VolunteerStates {
  /**
   * Takes in a checked announce of an authenticated volunteer; what it says can be read once the outcome is there. Those of one volunteer take
   * effect in the order of the calls, also where outcomes come later: a farewell is not undone by an announce before it.
   *
   * @throws TrackerError `bad-announce` if its holdings pile up beyond the cap; nothing changed then
   */
  announce(announce: VolunteerAnnounce, from: Announcer): AnnounceOutcome | Promise<AnnounceOutcome>;
  /** The result of a connection to an announced address; ignored if the volunteer moved meanwhile. */
  notePort(address: { readonly id: string; readonly host: string; readonly port: number }, isReachable: boolean): void;
  /** It was shut out. */
  remove(id: string): void;
  /** {@link all}, for {@link restore} of the next start. */
  saved(): readonly SavedVolunteer[];
  /**
   * Puts back what was known before a restart: believed for one interval, unless it announces. Who had not been heard of for longer is so
   * much nearer to silence: else customers would be sent to the dead after each restart.
   */
  restore(volunteers: readonly SavedVolunteer[]): void;
}

import type { Clock } from "../core/clock.ts";
import { ownReason } from "../delivery/eligibility.ts";
import type { MissCount, VolunteerMisses } from "../delivery/volunteer-misses.ts";
import type { SwarmNode } from "../net/swarm-node.ts";
import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import type { LiveVolunteer } from "../tracker/live-volunteer.ts";
import type { BorderReport } from "../tracker/site-balance.ts";
import type { TransferReport } from "../tracker/transfer-totals.ts";
import type { VolunteerStates } from "../tracker/volunteer-states.ts";
import type { CentralCounters } from "./central-counters.ts";
import type { AuditResults } from "./customer-volunteers.ts";
import type { HourOfTraffic } from "./hourly-traffic.ts";
import type { PublishedTree } from "./published-tree.ts";
import type { ReleaseEvents } from "./release-events.ts";
import type { SpreadRelease } from "./release-spread.ts";
import type { StatusHistory } from "./status-history.ts";

export interface StatusContext {
  readonly tree: PublishedTree;
  readonly registry: VolunteerRegistry;
  readonly live: VolunteerStates;
  readonly events: ReleaseEvents;
  readonly audits: AuditResults;
  readonly misses: Pick<VolunteerMisses, "countOf">;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly node: () => SwarmNode;
  readonly history: StatusHistory;
  readonly startedWallMs: number;
  /** Lines for the operator: what is running out. */
  readonly warnings: () => readonly string[];
}

/** `/.prsync/api/v1/status`. Bytes and counts since the start. */
export interface CentralStatus {
  readonly program: "central";
  /** Undefined in JSON before the first publish. */
  readonly release: {
    readonly number: number;
    readonly created: string;
    readonly files: number;
    readonly bytes: number;
  } | null;
  readonly startedAt: string;
  readonly volunteers: {
    readonly enrolled: number;
    readonly heard: number;
    readonly syncing: number;
    readonly current: number;
  };
  /** Payload that crossed the borders of sites, as their volunteers tell it; what came from the origin is in `downloadedBytes`. */
  readonly sites: readonly ({ readonly site: string } & BorderReport)[];
  /** What volunteers gave and obtained, summed over all of them. */
  readonly transfers: TransferReport;
  /** The newest releases, newest first. */
  readonly spread: readonly SpreadRelease[];
  /** The last two days, oldest first. */
  readonly hours: readonly HourOfTraffic[];
  /** Bundles of the release, by number; the metainfo of each is at {@link torrentPath}. */
  readonly bundles: readonly BundleStatus[];
  readonly subscribers: number;
  readonly swarm: { readonly connections: number; readonly counters: SwarmNode["counters"] };
  readonly http: CentralCounters;
  readonly warnings: readonly string[];
}

export interface BundleStatus {
  readonly number: number;
  /** 40 hex digits. */
  readonly infoHash: string;
}

/** Where central's HTTP has the .torrent of a bundle. */
export function torrentPath({ infoHash }: BundleStatus): string {
  return `/.prsync/torrents/${infoHash}.torrent`;
}

export function centralStatus(context: StatusContext): CentralStatus {
  const { tree, live, node } = context;
  const { release } = tree;
  context.history.observe();
  const heard = live.all().filter((volunteer) => !live.isSilent(volunteer));
  const isCurrent = (volunteer: LiveVolunteer): boolean => volunteer.release === release?.number;
  return {
    program: "central",
    release:
      release === undefined
        ? null
        : {
            number: release.number,
            created: release.created,
            files: release.totals.files,
            bytes: release.totals.bytes,
          },
    startedAt: new Date(context.startedWallMs).toISOString(),
    volunteers: {
      enrolled: context.registry.list().filter(({ state }) => state === "enrolled" || state === "draining").length,
      heard: heard.length,
      syncing: heard.filter(({ isSyncing }) => isSyncing).length,
      current: heard.filter(isCurrent).length,
    },
    sites: [...live.balance.totals].map(([site, totals]) => ({ site, ...totals })),
    transfers: live.transfers.total,
    spread: context.history.spread.releases,
    hours: context.history.traffic.hours,
    bundles: [...tree.bundleNumbers()].map(([number, infoHash]) => ({ number, infoHash })),
    subscribers: context.events.subscriberCount,
    swarm: { connections: node().connections().length, counters: node().counters },
    http: { ...context.counters },
    warnings: context.warnings(),
  };
}

/** A row of `/.prsync/api/v1/volunteers`: what the operator invited and what the volunteer tells. Never the token. */
export interface VolunteerStatus {
  readonly name: string;
  readonly state: string;
  readonly id?: string;
  readonly site?: string;
  readonly lastSeen?: string;
  /** Why no customers are sent there, whatever they ask for, in the words of `?explain`; left out if they are. */
  readonly noCustomers?: string;
  /** Of `audit-failed`: what was wrong. */
  readonly auditFailure?: string;
  /** Customers that it sent back since central started, and their networks of the last hour; left out if it never did. */
  readonly misses?: MissCount;
  /** Left out while it is silent and gets no customers. */
  readonly live?: Omit<
    LiveVolunteer,
    "holdings" | "holdingsId" | "lastSeenMs" | "lastSeenWallMs" | "portCheckedMs" | "id"
  >;
}

/** What everybody may know of a volunteer: no addresses, no ports, no ids, and not how near it is to its next audit. */
export type PublicVolunteerStatus = Omit<VolunteerStatus, "id" | "live" | "misses"> & {
  readonly misses?: undefined;
  readonly live?: Omit<NonNullable<VolunteerStatus["live"]>, "host" | "port" | "portState" | "url"> & {
    readonly portState?: undefined;
  };
};

/** What everybody may know: nobody learns whom the operator invited and shut out. */
export function publicVolunteers(volunteers: readonly VolunteerStatus[]): readonly PublicVolunteerStatus[] {
  return volunteers
    .filter(({ state }) => state === "enrolled" || state === "draining")
    .map(({ id: _id, live, misses: _misses, ...shown }) => {
      if (live === undefined) return shown;
      const { host: _host, port: _port, portState: _state, url: _url, ...rest } = live;
      return { ...shown, live: rest };
    });
}

/** What everybody may know: warnings name keys, files and what failed. */
export function publicStatus(status: CentralStatus): CentralStatus {
  return { ...status, warnings: [] };
}

export function volunteerStatuses(context: StatusContext): readonly VolunteerStatus[] {
  const { registry, live, audits } = context;
  return registry.list().map(({ name, state, id, site, lastSeenMs }) => {
    const found = id === undefined ? undefined : live.get(id);
    const isSilent = found === undefined || live.isSilent(found);
    const isOutOfReach = found === undefined || live.isOutOfReach(found);
    const auditFailure = isOutOfReach ? undefined : audits.reasonAgainst(found.id);
    const standing = { url: found?.url, isDraining: state === "draining", isSilent: isOutOfReach, auditFailure };
    const misses = id === undefined ? undefined : context.misses.countOf(id, context.clock.monotonicMs());
    const refusal = found === undefined ? "silent" : ownReason(standing);
    const shownSite = found?.site ?? site;
    // What was restored after a crash may be older than the registry's.
    const seenMs = Math.max(found?.lastSeenWallMs ?? 0, lastSeenMs ?? 0);
    return {
      name,
      state,
      ...(id === undefined ? {} : { id }),
      ...(shownSite === undefined ? {} : { site: shownSite }),
      ...(seenMs === 0 ? {} : { lastSeen: new Date(seenMs).toISOString() }),
      ...(refusal === undefined ? {} : { noCustomers: refusal }),
      ...(auditFailure === undefined ? {} : { auditFailure }),
      ...(misses === undefined ? {} : { misses }),
      ...(isSilent && isOutOfReach ? {} : { live: publicPart(found) }),
    };
  });
}

function publicPart(volunteer: LiveVolunteer): NonNullable<VolunteerStatus["live"]> {
  const { id: _id, holdings: _holdings, holdingsId: _holdingsId, ...rest } = volunteer;
  const { lastSeenMs: _seen, lastSeenWallMs: _wall, portCheckedMs: _checked, ...shown } = rest;
  return shown;
}

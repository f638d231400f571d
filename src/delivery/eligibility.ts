import type { DeliveryVolunteer } from "./delivery-volunteer.ts";
import { canReach, reachOf, type HostReach } from "./host-reach.ts";

/** Why a volunteer is not asked to serve a request. */
export type RejectReason =
  | "draining"
  | "silent"
  | "audit-failed"
  | "no-customers"
  | "other-site"
  | "other-protocol"
  | "other-address-family"
  | "other-network"
  | "older-release"
  | "synchronising"
  | "not-held"
  | "missed-lately";

export interface Rejection {
  readonly volunteer: DeliveryVolunteer;
  readonly reason: RejectReason;
}

/** Who asks. */
export interface Customer {
  /** IP address. */
  readonly address: string;
  readonly site: string | undefined;
  /** How it asked central. */
  readonly protocol: "http" | "https";
}

/** What a request needs of a volunteer. */
export interface DeliveryDemand<V extends DeliveryVolunteer = DeliveryVolunteer> {
  readonly customer: Customer;
  /** Of what is asked for. */
  readonly lengthBytes: number;
  /** Number of the release in which the path was looked up; left out: no volunteer serves by name. */
  readonly newestRelease?: number | undefined;
  /** The same number if the path belongs to its metadata: index files of two releases must not be mixed. */
  readonly neededRelease: number | undefined;
  /** Has the content, complete and hashed, as far as central knows. */
  readonly isHeldBy: (volunteer: V) => boolean;
  /** Sent a customer back for this content a short while ago. */
  readonly hasMissed: (volunteer: V) => boolean;
}

/** The first reason that speaks against a volunteer; undefined if none does. */
export function rejectReason<V extends DeliveryVolunteer>(
  volunteer: V,
  demand: DeliveryDemand<V>,
): RejectReason | undefined {
  return standingReason(volunteer, demand.customer) ?? contentReason(volunteer, demand);
}

/** What speaks against a volunteer for a customer whatever is asked for. */
export function standingReason(volunteer: DeliveryVolunteer, customer: Customer): RejectReason | undefined {
  const reason = ownReason(volunteer);
  if (reason !== undefined || volunteer.url === undefined) return reason;
  if (volunteer.consent === "site" && (customer.site === undefined || customer.site !== volunteer.site))
    return "other-site";
  return unreachableReason(volunteer.url, customer);
}

/** What speaks against a volunteer whoever asks. */
export function ownReason(
  volunteer: Pick<DeliveryVolunteer, "url" | "isDraining" | "isSilent" | "auditFailure">,
): RejectReason | undefined {
  if (volunteer.url === undefined) return "no-customers";
  if (volunteer.isDraining) return "draining";
  if (volunteer.isSilent) return "silent";
  return volunteer.auditFailure === undefined ? undefined : "audit-failed";
}

/** What speaks against a volunteer for one request, if nothing does so always. */
export function contentReason<V extends DeliveryVolunteer>(
  volunteer: V,
  demand: DeliveryDemand<V>,
): RejectReason | undefined {
  const isByName = volunteer.isByName === true;
  // By name alone another release may have other bytes there, or nothing.
  const neededRelease = isByName ? demand.newestRelease : demand.neededRelease;
  if (neededRelease !== undefined && volunteer.release !== neededRelease) return "older-release";
  // At the newest release already, and yet at work on its files: something is mended, or its selection changed.
  if (isByName && volunteer.isSyncing === true) return "synchronising";
  if (!demand.isHeldBy(volunteer)) return "not-held";
  return demand.hasMissed(volunteer) ? "missed-lately" : undefined;
}

/** An http customer may know no TLS, and one that came by https must not be sent to a place without it. */
function unreachableReason(url: string, customer: Customer): RejectReason | undefined {
  const [protocol = "", host = ""] = /^(https?):\/\/(\[[^\]]*\]|[^/:]*)/.exec(url)?.slice(1) ?? [];
  if (protocol !== customer.protocol) return "other-protocol";
  const from: HostReach = reachOf(customer.address);
  const to = reachOf(host);
  if (to.family !== undefined && from.family !== undefined && to.family !== from.family) return "other-address-family";
  return canReach(from, to) ? undefined : "other-network";
}

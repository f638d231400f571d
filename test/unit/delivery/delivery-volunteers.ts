import type { Customer, DeliveryDemand } from "../../../src/delivery/eligibility.ts";
import type { DeliveryVolunteer } from "../../../src/delivery/delivery-volunteer.ts";

/** An idle volunteer that may serve anybody anything. */
export function volunteer(id: string, change: Partial<DeliveryVolunteer> = {}): DeliveryVolunteer {
  return {
    id,
    name: `mirror-${id}`,
    site: "north",
    url: `http://${id}.example.org`,
    consent: "any",
    isDraining: false,
    isSilent: false,
    release: 7,
    load: load(0),
    ...change,
  };
}

export function load(
  customerBytes: number,
  syncBytes = 0,
  capacityBytesPerSecond = 1_000_000,
): DeliveryVolunteer["load"] {
  return { customerBytes, syncBytes, capacityBytesPerSecond };
}

export const CUSTOMER: Customer = { address: "198.51.100.7", site: "north", protocol: "http" };

export function demand(change: Partial<DeliveryDemand> = {}): DeliveryDemand {
  return { customer: CUSTOMER, neededRelease: undefined, isHeldBy: () => true, hasMissed: () => false, ...change };
}

import type { Customer, DeliveryDemand } from "../../../src/delivery/eligibility.ts";
import type { PolicyDemand } from "../../../src/delivery/policies/policy.ts";
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

/** Outstanding bytes are of transfers that have at most so many left. */
const TRANSFER_BYTES = 1_000_000;

export function load(
  customerBytes: number,
  syncBytes = 0,
  capacityBytesPerSecond = 1_000_000,
): DeliveryVolunteer["load"] {
  const customers = Math.ceil(customerBytes / TRANSFER_BYTES);
  return { customers, customerBytes, syncBytes, capacityBytesPerSecond };
}

/** What a policy sees of a request for so many bytes. */
export function wanting(lengthBytes: number): PolicyDemand {
  return { customer: CUSTOMER, lengthBytes };
}

export const CUSTOMER: Customer = { address: "198.51.100.7", site: "north", protocol: "http" };

export function demand(change: Partial<DeliveryDemand> = {}): DeliveryDemand {
  return {
    customer: CUSTOMER,
    lengthBytes: 1_000_000,
    neededRelease: undefined,
    isHeldBy: () => true,
    hasMissed: () => false,
    ...change,
  };
}

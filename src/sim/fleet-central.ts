import { CentralCounters } from "../central/central-counters.ts";
import { CustomerChoice, type FileDemand } from "../central/customer-choice.ts";
import { CustomerVolunteers } from "../central/customer-volunteers.ts";
import type { Clock, Random } from "../core/clock.ts";
import { parseContentId } from "../core/content-id.ts";
import { addressGroup } from "../core/remote-address.ts";
import { repoPathFromText } from "../core/repo-path.ts";
import { releasedFile, type ReleasedFile } from "../central/released-files.ts";
import type { PolicyName } from "../delivery/policies/named-policy.ts";
import { SentSamples } from "../delivery/sent-samples.ts";
import { VolunteerMisses } from "../delivery/volunteer-misses.ts";
import type { ContentPlace } from "../tracker/content-holders.ts";
import { LiveVolunteers } from "../tracker/live-volunteers.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import type { FleetFile } from "./fleet-workload.ts";

/** A customer asks, for the first time or again. */
export interface FleetQuestion {
  readonly file: number;
  /** One customer each; asking again is noticed by it. */
  readonly customer: number;
  readonly site: string | undefined;
  /** It was cut off and goes on from here. */
  readonly fromBytes: number;
  /** A volunteer sent it back. */
  readonly isOriginWanted: boolean;
}

export interface FleetCentralOptions {
  readonly random: Random;
  readonly intervalMs: number;
  /** Undefined: central serves all customers itself. */
  readonly policy: PolicyName | undefined;
  readonly files: readonly FleetFile[];
  readonly places: readonly ContentPlace[];
}

/** Central without sockets and disk: its own registry of announces, list of volunteers and choice for customers. */
export class FleetCentral {
  readonly #live: LiveVolunteers;
  readonly #admitted = new Map<string, { readonly id: string; readonly name: string; readonly state: "enrolled" }>();
  readonly #choice: CustomerChoice;
  readonly #files: readonly ReleasedFile[];
  readonly counters: CentralCounters = new CentralCounters();

  constructor(clock: Clock, { random, intervalMs, policy, files, places }: FleetCentralOptions) {
    this.#live = new LiveVolunteers(clock, intervalMs);
    this.#files = files.map(({ bytes }, file) => releasedFileOf(file, bytes, places[file]!));
    const audits = { reasonAgainst: () => undefined };
    const volunteers = new CustomerVolunteers({ byId: this.#admitted }, this.#live, { audits, clock, random });
    const signatures = { queryFor: () => "" };
    // Nobody audits here: nothing is drawn from what the scenario draws from.
    const traces = { sent: new SentSamples(() => 0), misses: new VolunteerMisses() };
    const context = { volunteers, counters: this.counters, signatures, traces, clock, random };
    this.#choice = new CustomerChoice(context, policy === undefined ? undefined : { policy, minBytes: 0 });
  }

  announce(id: string, announce: VolunteerAnnounce): void {
    if (!this.#admitted.has(id)) this.#admitted.set(id, { id, name: id, state: "enrolled" });
    this.#live.announce(announce, { id, host: "192.0.2.1", site: announce.site });
  }

  /** The volunteer that the customer is sent to; undefined: central serves it. */
  ask({ file, customer, site, fromBytes, isOriginWanted }: FleetQuestion): string | undefined {
    const address = addressOf(customer);
    const demand: FileDemand = {
      customer: { address, site, protocol: "http" },
      customerGroup: addressGroup(address),
      file: this.#files[file]!,
      isHead: false,
      range: fromBytes > 0 ? `bytes=${Math.floor(fromBytes)}-` : undefined,
      port: 0,
      agent: undefined,
      isOriginWanted,
      isBodyless: false,
    };
    const places = this.#choice.redirect(demand);
    return places === undefined ? undefined : URL.parse(places[0]!.url)!.hostname.split(".")[0];
  }
}

/** Public IPv4 addresses, one per customer. */
function addressOf(customer: number): string {
  return `${20 + ((customer >> 24) & 63)}.${(customer >> 16) & 255}.${(customer >> 8) & 255}.${customer & 255}`;
}

function releasedFileOf(file: number, bytes: number, place: ContentPlace): ReleasedFile {
  const path = repoPathFromText(`pool/${file}`);
  const content = parseContentId(file.toString(16).padStart(64, "0"));
  const served = { content, lengthBytes: bytes, mtimeNs: 0n, mediaType: "application/octet-stream" };
  // No volunteer here goes by the number of the release.
  return releasedFile(path, served, { entryPath: path, place, release: 1 });
}

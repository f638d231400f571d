import type { CustomerLine } from "./customer-line.ts";
import type { FleetVolunteer } from "./fleet-volunteer.ts";
import type { FleetFile } from "./fleet-workload.ts";

/**
 * What the real swarm makes of what lines would allow: `test/sim/fleet.test.ts` holds the times of this fluid beside those of
 * the real sessions, picker and tracker on the same lines.
 */
const EFFICIENCY = 0.9;
/** Customers come first, the swarm has at least this of a line (`swarm/host-bandwidth.ts`). */
const LEAST_SWARM_SHARE = 0.1;

interface ReleaseFlow {
  /** Of all files of the release that anybody is to have. */
  readonly wantedBytes: number;
  /** Left central so far; from then on volunteers give to each other. */
  emittedBytes: number;
}

export interface FleetSpreadContext {
  readonly files: readonly FleetFile[];
  readonly origin: CustomerLine;
  /** Central gives volunteers no more than this, however idle its line is; Infinity: all. */
  readonly originLimitBytesPerSecond: number;
  readonly volunteers: readonly FleetVolunteer[];
}

/**
 * The swarm as a fluid, in steps: central lets each byte out once, volunteers give what they have with what their customers leave
 * of their lines up, and take what their lines down allow. The whole is what Kumar and Ross's bound is made of, at every moment,
 * less what the real swarm loses. Central gives again only what nobody has who is there.
 */
export class FleetSpread {
  readonly #context: FleetSpreadContext;
  readonly #flows = new Map<number, ReleaseFlow>();
  /** Per volunteer and release, fetched since it was published. */
  readonly #fetched = new Map<FleetVolunteer, Map<number, { needBytes: number; gotBytes: number }>>();
  /** By volunteers that are there, whole. */
  readonly #copies: Uint16Array;
  originBytes = 0;
  volunteerBytes = 0;

  constructor(context: FleetSpreadContext) {
    this.#context = context;
    this.#copies = new Uint16Array(context.files.length);
  }

  /** Files that came with a release, and whether central must send each of them once because nobody has it. */
  publish(release: number, wantedBytes: number, isNew: boolean): void {
    this.#flows.set(release, { wantedBytes, emittedBytes: isNew ? 0 : wantedBytes });
  }

  /** A volunteer that is there has one more file, or one less. */
  noteCopy(file: number, change: 1 | -1): void {
    this.#copies[file]! += change;
  }

  /** Its queue was made anew. */
  noteNeed(volunteer: FleetVolunteer, needBytesByRelease: ReadonlyMap<number, number>): void {
    const rows = new Map([...needBytesByRelease].map(([release, needBytes]) => [release, { needBytes, gotBytes: 0 }]));
    this.#fetched.set(volunteer, rows);
  }

  /** So many seconds of the swarm. @returns what became whole, by volunteer */
  step(seconds: number): ReadonlyMap<FleetVolunteer, readonly number[]> {
    const { volunteers, origin, originLimitBytesPerSecond } = this.#context;
    const originBytes = Math.min(spare(origin), originLimitBytesPerSecond) * seconds;
    const leechers = volunteers.filter((one) => one.isOnline && one.plan.rsync === undefined && one.head !== undefined);
    const givers = volunteers.filter((one) => one.isOnline && one.hasAnything);
    const supplies = givers.map(({ customers }) => spare(customers) * seconds);
    const supply = supplies.reduce((sum, bytes) => sum + bytes, 0);
    const limits = leechers.map((one) => this.#limitOf(one, seconds));
    const emission = this.#emission(leechers, originBytes);
    const orphans = leechers.map((one, i) => (this.#isOrphan(one) ? limits[i]! : 0));
    const orphanBytes = Math.min(
      orphans.reduce((sum, bytes) => sum + bytes, 0),
      spare(origin) * seconds - emission,
    );
    const wanted = limits.reduce((sum, bytes) => sum + bytes, 0);
    const carried = Math.min(wanted, supply * EFFICIENCY + emission + orphanBytes);
    const fromVolunteers = Math.max(0, carried - emission - orphanBytes);
    this.originBytes += emission + orphanBytes;
    this.volunteerBytes += fromVolunteers;
    origin.line.reserve((emission + orphanBytes) / seconds);
    const share = supply > 0 ? fromVolunteers / supply : 0;
    for (const volunteer of volunteers) {
      const at = givers.indexOf(volunteer);
      volunteer.customers.line.reserve(at < 0 ? 0 : (supplies[at]! * share) / seconds);
    }
    return this.#deliver(leechers, waterFill(limits, carried));
  }

  /** What it can take: its line, what is missing, and what central let out of that release so far. */
  #limitOf(volunteer: FleetVolunteer, seconds: number): number {
    const { release } = this.#context.files[volunteer.head!]!;
    const { wantedBytes, emittedBytes } = this.#flows.get(release)!;
    const row = this.#fetched.get(volunteer)!.get(release)!;
    const out = emittedBytes >= wantedBytes ? Infinity : (row.needBytes * emittedBytes) / wantedBytes - row.gotBytes;
    return Math.max(0, Math.min(volunteer.plan.downBytesPerSecond * seconds, volunteer.leftBytes, out));
  }

  #emission(leechers: readonly FleetVolunteer[], mostBytes: number): number {
    let left = mostBytes;
    for (const release of new Set(leechers.map(({ head }) => this.#context.files[head!]!.release))) {
      const flow = this.#flows.get(release)!;
      const bytes = Math.min(left, flow.wantedBytes - flow.emittedBytes);
      flow.emittedBytes += bytes;
      left -= bytes;
      if (flow.wantedBytes - flow.emittedBytes < 1) flow.emittedBytes = flow.wantedBytes;
    }
    return mostBytes - left;
  }

  /** Nobody else who is there has the file that comes next, or could have a part of it. */
  #isOrphan(volunteer: FleetVolunteer): boolean {
    const file = volunteer.head!;
    const { release } = this.#context.files[file]!;
    const { wantedBytes, emittedBytes } = this.#flows.get(release)!;
    if (this.#copies[file]! > 0 || emittedBytes < wantedBytes) return false;
    return !this.#context.volunteers.some(
      (other) => other !== volunteer && other.isOnline && (this.#fetched.get(other)?.get(release)?.gotBytes ?? 0) > 0,
    );
  }

  #deliver(
    leechers: readonly FleetVolunteer[],
    bytes: readonly number[],
  ): ReadonlyMap<FleetVolunteer, readonly number[]> {
    const done = new Map<FleetVolunteer, readonly number[]>();
    leechers.forEach((volunteer, i) => {
      const { release } = this.#context.files[volunteer.head!]!;
      this.#fetched.get(volunteer)!.get(release)!.gotBytes += bytes[i]!;
      const files = volunteer.receive(bytes[i]!);
      for (const file of files) this.noteCopy(file, 1);
      if (files.length > 0) done.set(volunteer, files);
    });
    return done;
  }
}

function spare({ line }: CustomerLine): number {
  return Math.max(LEAST_SWARM_SHARE * line.bytesPerSecond, line.bytesPerSecond - line.wantedBytesPerSecond);
}

/** Shares `total` evenly among those who want something, none more than its limit. */
function waterFill(limits: readonly number[], total: number): number[] {
  const order = limits.map((_, i) => i).sort((a, b) => limits[a]! - limits[b]!);
  const shares = new Array<number>(limits.length).fill(0);
  let left = total;
  order.forEach((i, at) => {
    shares[i] = Math.min(limits[i]!, left / (order.length - at));
    left -= shares[i];
  });
  return shares;
}

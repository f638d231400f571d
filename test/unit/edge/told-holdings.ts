import { Bitfield } from "../../../src/core/bitfield.ts";
import { type Arrivals, HoldingsReporter } from "../../../src/edge/holdings-report.ts";
import { applyHoldings, NO_HOLDINGS, type Holdings, type HoldingsReport } from "../../../src/tracker/holdings.ts";
import { parseVolunteerAnnounce } from "../../../src/tracker/volunteer-announce.ts";
import { bundleRow, contentOf, fileEntry, MirrorDisk } from "./mirror-disk.ts";

/** Files of {@link mirrorWith}, each its own content. */
export const NAMES: readonly string[] = ["a", "b", "c"];

export interface Reporting {
  readonly disk: MirrorDisk;
  readonly reporter: HoldingsReporter;
  /** What a sync has whole and not yet placed. */
  readonly arrived: Map<number, readonly number[]>;
}

/** As a sync under way tells them, until all of them are gone. */
export function arrivalsOf(arrived: ReadonlyMap<number, readonly number[]>): Arrivals {
  return {
    get isUnderWay() {
      return arrived.size > 0;
    },
    ordinals: () => new Map(arrived),
  };
}

/** A mirror of release 1 with one bundle of three files, of which `held` are there. */
export async function mirrorWith(held: readonly string[], nowMs?: () => number): Promise<Reporting> {
  const disk = new MirrorDisk();
  const contents = NAMES.map((name) => ({ content: contentOf(name), lengthBytes: 1 }));
  disk.index.bundles.put(bundleRow(1, contents));
  disk.index.bundles.putContents(1, contents);
  await disk.holdRelease(
    1,
    NAMES.map((name) => fileEntry(name, name)),
  );
  for (const name of held) disk.hold(name, name);
  const arrived = new Map<number, readonly number[]>();
  const on = { arrived: arrivalsOf(arrived), ...(nowMs === undefined ? {} : { nowMs }) };
  return { disk, arrived, reporter: new HoldingsReporter(disk.index, on) };
}

/** Central's side: the real parser and the real rules. */
export class Central {
  #known: { readonly id: number; readonly holdings: Holdings } | undefined;

  get holdings(): Holdings {
    return this.#known?.holdings ?? NO_HOLDINGS;
  }

  restart(): void {
    this.#known = undefined;
  }

  /** @param options.isAnswerLost the announce arrives, its answer does not */
  async take(reporter: HoldingsReporter, { isAnswerLost = false, isChanging = false } = {}): Promise<HoldingsReport> {
    const { report, acknowledge } = await reporter.next({ isChanging });
    const parsed = parseReport(report);
    const applied = applyHoldings(this.#known, parsed);
    const id = (this.#known?.id ?? 100) + 1;
    if (applied !== undefined) this.#known = { id, holdings: applied };
    if (!isAnswerLost) acknowledge(applied === undefined ? undefined : id, applied === undefined);
    return parsed;
  }
}

export function parseReport(holdings: object): HoldingsReport {
  const figures = { bytesLeft: 0, customers: 0, uploadBytesPerSecond: 0, uploadCapacityBytesPerSecond: 0 };
  const body = { repository: "0".repeat(32), release: 1, syncing: false, ...figures, holdings };
  const query = `peer_id=${"%01".repeat(20)}&port=1&uploaded=0&downloaded=0&left=0`;
  return parseVolunteerAnnounce(query, Buffer.from(JSON.stringify(body))).holdings;
}

/** A whole mirror of release 1 with two bundles of twenty files, told and acknowledged, at `clock.nowMs`. */
export async function wholeMirror(): Promise<
  Reporting & { readonly clock: { nowMs: number }; readonly central: Central }
> {
  const disk = new MirrorDisk();
  const names = Array.from({ length: 40 }, (_, index) => `file-${10 + index}`);
  for (const [index, some] of [names.slice(0, 20), names.slice(20)].entries()) {
    const contents = some.map((name) => ({ content: contentOf(name), lengthBytes: 1 }));
    disk.index.bundles.put(bundleRow(index + 1, contents));
    disk.index.bundles.putContents(index + 1, contents);
  }
  const entries = names.map((name) => fileEntry(name, name));
  await disk.holdRelease(1, entries);
  for (const name of names) disk.hold(name, name);
  const clock = { nowMs: 0 };
  const arrived = new Map<number, readonly number[]>();
  const reporter = new HoldingsReporter(disk.index, { arrived: arrivalsOf(arrived), nowMs: () => clock.nowMs });
  const central = new Central();
  reporter.isComplete = true;
  await central.take(reporter);
  return { disk, reporter, arrived, clock, central };
}

export function putBundle(disk: MirrorDisk, number: number, names: readonly string[]): void {
  const contents = names.map((name) => ({ content: contentOf(name), lengthBytes: 1 }));
  disk.index.bundles.put(bundleRow(number, contents));
  disk.index.bundles.putContents(number, contents);
}

/** As an announce has it. */
export function bitmap(ordinals: readonly number[], count: number = NAMES.length): string {
  const field = new Bitfield(count);
  for (const ordinal of ordinals) field.set(ordinal);
  return Buffer.from(field.toBytes()).toString("base64");
}

import { setImmediate } from "node:timers/promises";
import { Bitfield } from "../core/bitfield.ts";
import type { BundleRow } from "../manifest/bundle-list.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { HeldStepEnd } from "../store/mirror-index-bundles.ts";
import type { AnnouncedHoldings } from "./announce-client.ts";

/** A report and what to do with its answer. */
export interface PreparedReport {
  readonly report: AnnouncedHoldings;
  /** @param id of the answer; `isFullWanted`: central does not know what this was a change to */
  readonly acknowledge: (id: number | undefined, isFullWanted: boolean) => void;
}

/** Central takes bodies up to 1 MiB; the other fields are short. */
const MAX_REPORT_LENGTH = 900_000;
const JSON_OVERHEAD = 32;

/** While files change all the time a look takes a twentieth of the time at most: at 2.2 million contents it takes six seconds. */
const PAUSE_FACTOR = 19;
/** What a look takes for each content at least: a machine that has nothing else to do. */
const LOOK_MS_PER_CONTENT = 0.0025;
/** Contents looked up before others get their turn: two to three milliseconds. */
const CONTENTS_PER_TURN = 1_000;
/** A sync that changes no more than this share of a release's files places them before a look at all would pay. */
const FEW_SHARE = 0.05;

/**
 * What arrives is told as bitmaps of the bundles it is of, at most 5.5 kB each: at this rate one bundle, which may have 32,768 contents, may be
 * told every three seconds, and the four of 100,000 contents every eleven.
 */
const ARRIVALS_BYTES_PER_SECOND = 2_000;

/** What was found the last time. */
interface Look {
  readonly haves: ReadonlyMap<number, string>;
  readonly version: number;
  /** Release whose names count, 0 if none do. */
  readonly namesOf: number;
  /** From then on the next one may follow although files change. */
  readonly againMs: number;
}

/** What central knows once it has answered. */
interface ToldHoldings {
  /** Of which it was told that all is here; 0: none. */
  readonly release: number;
  /** By bundle, beyond that release. */
  readonly bundles: ReadonlyMap<number, string>;
}

interface Telling {
  readonly report: AnnouncedHoldings;
  readonly told: ToldHoldings;
}

/** What came and is under no name of DEST yet: by bundle, positions in its content table. */
export interface Arrivals {
  /** Anything may arrive or has. Cheap. */
  readonly isUnderWay: boolean;
  /** Looks at all that is under way: 50 to 100 ms for 2.2 million contents. */
  ordinals(): ReadonlyMap<number, readonly number[]>;
}

/** What a report is made of, besides the index. */
export interface ReportOptions {
  readonly arrived: Arrivals;
  /** Left out: never. */
  readonly isByName?: () => boolean;
  readonly nowMs?: () => number;
}

/**
 * What this mirror tells of its holdings: "release N complete", or per bundle all, none or a bitmap over the content table, as changes to
 * what central acknowledged last. What a sync under way has whole is told like what DEST has, after "release N complete" as a change to
 * that: all of N stays until the sync puts the next one in place. A mirror whose customers meet a web server that knows names alone tells only
 * contents that stand at each name that the held release has for them: under another name, filtered away or not put in place, there would be
 * nothing, or old bytes.
 */
export class HoldingsReporter {
  readonly #index: MirrorIndex;
  readonly #arrived: Arrivals;
  readonly #isByName: () => boolean;
  readonly #nowMs: () => number;
  #lastLook: Look | undefined;
  /** Of bundles of which something arrived: what DEST has of them, true for one version. */
  #heldBeside = { version: -1, haves: new Map<number, string>() };
  #arrivals: ReadonlyMap<number, readonly number[]> = new Map();
  #arrivalsAgainMs = 0;
  #acknowledgedId = 0;
  #acknowledged: ToldHoldings | undefined;
  #isComplete = false;
  /** A sync changes a few files of a release that was whole: until then what central knows is told on. */
  #tellOnUntilMs = -Infinity;
  /** That release: the next one becomes the held one before {@link isComplete} says what there is of it. */
  #tellOnOf = 0;

  constructor(index: MirrorIndex, { arrived, isByName = () => false, nowMs = () => performance.now() }: ReportOptions) {
    this.#index = index;
    this.#arrived = arrived;
    this.#isByName = isByName;
    this.#nowMs = nowMs;
  }

  /** True once every content of the held release is on disk and hashed. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  set isComplete(isIt: boolean) {
    this.#isComplete = isIt;
    this.endPlacing();
  }

  /**
   * A sync is about to change so many files of DEST. A few of a whole release are not looked up meanwhile: the release before stands for what
   * it leaves, which is wrong of the few alone, and not for longer than looks of all would leave it behind. What is there afterwards
   * {@link isComplete} says, or {@link endPlacing} if nothing is known.
   */
  beginPlacing(changedCount: number): void {
    const contentCount = this.#index.bundles.all().reduce((sum, row) => sum + row.contentCount, 0);
    const areFew = this.#isComplete && changedCount <= FEW_SHARE * contentCount;
    this.isComplete = false;
    this.#tellOnOf = this.heldRelease;
    if (areFew) this.#tellOnUntilMs = this.#nowMs() + PAUSE_FACTOR * LOOK_MS_PER_CONTENT * contentCount;
  }

  /** The sync is over, whether or not it came to its end. */
  endPlacing(): void {
    this.#tellOnUntilMs = -Infinity;
  }

  get heldRelease(): number {
    return this.#index.facts.get("heldRelease") ?? 0;
  }

  /**
   * Nothing is believed acknowledged before its answer came: a lost announce changes nothing here.
   * What changes while it is made the next one tells. One at a time.
   * @param options.isChanging files come and go right now, and the next report follows soon: this one may be behind
   * @throws the signal's reason
   */
  async next(
    options: { readonly isChanging: boolean; readonly signal?: AbortSignal } = { isChanging: false },
  ): Promise<PreparedReport> {
    const { report, told } = await this.#telling(options.isChanging, options.signal);
    return {
      report,
      acknowledge: (id, isFullWanted) => {
        this.#acknowledgedId = isFullWanted || id === undefined ? 0 : id;
        this.#acknowledged = told;
      },
    };
  }

  /** For the last word, without a look: what central knows stays as it is. */
  farewell(): AnnouncedHoldings {
    const release = this.heldRelease;
    if (release > 0 && this.#isWhole()) return { base: 0, complete: release };
    return { base: this.#acknowledgedId, bundles: [] };
  }

  async #telling(isChanging: boolean, signal: AbortSignal | undefined): Promise<Telling> {
    const release = this.heldRelease;
    const known = this.#acknowledgedId > 0 ? this.#acknowledged : undefined;
    if (isChanging && this.#nowMs() < this.#tellOnUntilMs && known?.release === this.#tellOnOf)
      return { report: { base: this.#acknowledgedId, bundles: [] }, told: known };
    this.#lookAtArrivals(isChanging);
    if (release > 0 && this.#isWhole()) return this.#beyond(release);
    const haves = await this.#look(isChanging, signal);
    return this.#changes(0, this.#arrivals.size === 0 ? haves : this.#plusArrivals(haves));
  }

  /** By name a symlink that could not be put in place is one name too few, too. */
  #isWhole(): boolean {
    return this.isComplete && !(this.#isByName() && this.#index.files.pending().length > 0);
  }

  /** The release, and then what arrived of a later one: a change to what central knows of the release. */
  #beyond(release: number): Telling {
    const known = this.#acknowledgedId > 0 ? this.#acknowledged : undefined;
    if (known?.release !== release || this.#arrivals.size === 0)
      return { report: { base: 0, complete: release }, told: { release, bundles: new Map() } };
    const version = this.#index.holdingsVersion;
    if (this.#heldBeside.version !== version) this.#heldBeside = { version, haves: new Map() };
    const haves = new Map<number, string>();
    // What was told of a bundle stands in place of what the release says of it, so it is told on.
    for (const number of new Set([...this.#arrivals.keys(), ...known.bundles.keys()])) {
      const row = this.#index.bundles.get(number);
      if (row === undefined) continue;
      const held = this.#heldBeside.haves.get(number) ?? this.#haveOf(row);
      this.#heldBeside.haves.set(number, held);
      haves.set(number, held);
    }
    return this.#changes(release, this.#plusArrivals(haves));
  }

  #changes(release: number, haves: ReadonlyMap<number, string>): Telling {
    // After "release N complete" there is no base for bundles alone: contents of it may be gone since.
    const base = this.#acknowledged?.release === release ? this.#acknowledgedId : 0;
    const told = new Map(base === 0 ? [] : this.#acknowledged?.bundles);
    const bundles: { number: number; have: string }[] = [];
    let length = 0;
    let arrivalsLength = 0;
    for (const number of new Set([...told.keys(), ...haves.keys()])) {
      const have = haves.get(number) ?? "none";
      if (have === (told.get(number) ?? "none")) continue;
      length += have.length + JSON_OVERHEAD;
      // The rest comes as a change to this report.
      if (length > MAX_REPORT_LENGTH) break;
      if (this.#arrivals.has(number)) arrivalsLength += have.length + JSON_OVERHEAD;
      bundles.push({ number, have });
      told.set(number, have);
    }
    if (arrivalsLength > 0)
      this.#arrivalsAgainMs = Math.max(
        this.#arrivalsAgainMs,
        this.#nowMs() + (1_000 * arrivalsLength) / ARRIVALS_BYTES_PER_SECOND,
      );
    return { report: { base, bundles }, told: { release, bundles: told } };
  }

  /** That nothing is under way any more is told at once. */
  #lookAtArrivals(isChanging: boolean): void {
    if (!this.#arrived.isUnderWay) {
      this.#arrivals = new Map();
      return;
    }
    const startMs = this.#nowMs();
    if (isChanging && startMs < this.#arrivalsAgainMs) return;
    this.#arrivals = this.#arrived.ordinals();
    const endMs = this.#nowMs();
    this.#arrivalsAgainMs = endMs + PAUSE_FACTOR * (endMs - startMs);
  }

  #plusArrivals(haves: ReadonlyMap<number, string>): ReadonlyMap<number, string> {
    const all = new Map(haves);
    for (const [number, ordinals] of this.#arrivals) {
      const row = this.#index.bundles.get(number);
      const held = all.get(number);
      if (row !== undefined && held !== undefined) all.set(number, withOrdinals(held, ordinals, row.contentCount));
    }
    return all;
  }

  async #look(isChanging: boolean, signal: AbortSignal | undefined): Promise<ReadonlyMap<number, string>> {
    const last = this.#lastLook;
    const version = this.#index.holdingsVersion;
    const namesOf = this.#isByName() ? this.heldRelease : 0;
    if (
      (last?.version === version && last.namesOf === namesOf) ||
      (isChanging && last !== undefined && this.#nowMs() < last.againMs)
    )
      return last.haves;
    const { haves, tookMs } = await this.#lookAtAll(signal);
    this.#lastLook = { haves, version, namesOf, againMs: this.#nowMs() + PAUSE_FACTOR * tookMs };
    return haves;
  }

  /** `tookMs`: without the turns of others. */
  async #lookAtAll(
    signal: AbortSignal | undefined,
  ): Promise<{ readonly haves: ReadonlyMap<number, string>; readonly tookMs: number }> {
    const { bundles } = this.#index;
    const rows = bundles.all();
    const fields = new Map(rows.map((row) => [row.number, new Bitfield(row.contentCount)]));
    const options = { limit: CONTENTS_PER_TURN, isByName: this.#isByName() };
    let tookMs = 0;
    let end: HeldStepEnd | undefined;
    do {
      const startMs = this.#nowMs();
      const step = bundles.heldStep(end, options);
      for (const { bundle, ordinal } of step.held) {
        const field = fields.get(bundle);
        // Another table may have come meanwhile.
        if (field !== undefined && ordinal < field.length) field.set(ordinal);
      }
      ({ end } = step);
      tookMs += this.#nowMs() - startMs;
      if (end !== undefined) await setImmediate(undefined, { signal }).catch(() => signal?.throwIfAborted());
    } while (end !== undefined);
    return { haves: new Map(rows.map((row) => [row.number, haveOf(fields.get(row.number)!)])), tookMs };
  }

  #haveOf({ number, contentCount }: BundleRow): string {
    const { bundles } = this.#index;
    const field = new Bitfield(contentCount);
    for (const ordinal of this.#isByName() ? bundles.shownOrdinals(number) : bundles.heldOrdinals(number))
      field.set(ordinal);
    return haveOf(field);
  }
}

function haveOf(field: Bitfield): string {
  if (field.count === 0) return "none";
  return field.isFull ? "all" : Buffer.from(field.toBytes()).toString("base64");
}

function withOrdinals(have: string, ordinals: readonly number[], count: number): string {
  if (have === "all") return have;
  const field = have === "none" ? new Bitfield(count) : Bitfield.parse(Buffer.from(have, "base64"), count);
  for (const ordinal of ordinals) field.set(ordinal);
  return haveOf(field);
}

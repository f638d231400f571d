import { Bitfield } from "../core/bitfield.ts";
import type { Selection } from "../filter/selection.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
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

/** While files change all the time a look takes a twentieth of the time at most: at 100,000 contents it takes a second. */
const PAUSE_FACTOR = 19;

/** What was found the last time. */
interface Look {
  readonly haves: ReadonlyMap<number, string>;
  readonly version: number;
  /** From then on the next one may follow although files change. */
  readonly againMs: number;
}

interface ToldHoldings {
  readonly report: AnnouncedHoldings;
  /** What central knows per bundle once it has answered; undefined if it was told of a release instead. */
  readonly told: ReadonlyMap<number, string> | undefined;
}

/**
 * What this mirror tells of its holdings: "release N complete", or per bundle all, none or a bitmap over the content table,
 * as changes to what central acknowledged last.
 */
export class HoldingsReporter {
  readonly #index: MirrorIndex;
  readonly #nowMs: () => number;
  #lastLook: Look | undefined;
  #acknowledgedId = 0;
  /** Per bundle; undefined after "release N complete", which is no base for changes: contents of it may be gone since. */
  #acknowledged: ReadonlyMap<number, string> | undefined;
  /** True once every content of the held release is on disk and hashed. */
  isComplete = false;

  constructor(index: MirrorIndex, nowMs: () => number = () => performance.now()) {
    this.#index = index;
    this.#nowMs = nowMs;
  }

  get heldRelease(): number {
    return this.#index.facts.get("heldRelease") ?? 0;
  }

  /**
   * Nothing is believed acknowledged before its answer came: a lost announce changes nothing here.
   * @param options.isChanging files come and go right now, and the next report follows soon: this one may be behind
   */
  next(options: { readonly isChanging: boolean } = { isChanging: false }): PreparedReport {
    const release = this.heldRelease;
    const { report, told } =
      this.isComplete && release > 0 ? completeReport(release) : this.#changes(options.isChanging);
    return {
      report,
      acknowledge: (id, isFullWanted) => {
        this.#acknowledgedId = isFullWanted || id === undefined ? 0 : id;
        this.#acknowledged = told;
      },
    };
  }

  #changes(isChanging: boolean): ToldHoldings {
    const haves = this.#look(isChanging);
    const base = this.#acknowledged === undefined ? 0 : this.#acknowledgedId;
    const told = new Map(base === 0 ? [] : this.#acknowledged);
    const bundles: { number: number; have: string }[] = [];
    let length = 0;
    for (const number of new Set([...told.keys(), ...haves.keys()])) {
      const have = haves.get(number) ?? "none";
      if (have === (told.get(number) ?? "none")) continue;
      length += have.length + JSON_OVERHEAD;
      // The rest comes as a change to this report.
      if (length > MAX_REPORT_LENGTH) break;
      bundles.push({ number, have });
      told.set(number, have);
    }
    return { report: { base, bundles }, told };
  }

  #look(isChanging: boolean): ReadonlyMap<number, string> {
    const last = this.#lastLook;
    const version = this.#index.holdingsVersion;
    const startMs = this.#nowMs();
    if (last?.version === version || (isChanging && last !== undefined && startMs < last.againMs)) return last.haves;
    const haves = this.#bundleHaves();
    const endMs = this.#nowMs();
    this.#lastLook = { haves, version, againMs: endMs + PAUSE_FACTOR * (endMs - startMs) };
    return haves;
  }

  #bundleHaves(): Map<number, string> {
    const haves = new Map<number, string>();
    for (const row of this.#index.bundles.all()) {
      const ordinals = this.#index.bundles.heldOrdinals(row.number);
      if (ordinals.length === 0) haves.set(row.number, "none");
      else if (ordinals.length === row.contentCount) haves.set(row.number, "all");
      else haves.set(row.number, bitmapOf(ordinals, row.contentCount));
    }
    return haves;
  }
}

/**
 * True if every file of the held release, not only of a selection, is on disk and hashed. Counts all records unless they were counted for
 * this release before and none went since: for the end of a sync, not in between.
 */
export function isWholeReleaseVerified(index: MirrorIndex, selection: Selection): boolean {
  if (!selection.isEverything) return false;
  const release = index.facts.get("heldRelease");
  if (release === undefined || index.facts.get("verifiedRelease") !== release) {
    if (index.files.hasUnverified() || index.files.count() < index.manifest.fileCount()) return false;
    if (release !== undefined) index.facts.set("verifiedRelease", release);
  }
  return !index.files.pending().some((path) => index.manifest.entry(path)?.kind === "file");
}

function completeReport(release: number): ToldHoldings {
  return { report: { base: 0, complete: release }, told: undefined };
}

function bitmapOf(ordinals: readonly number[], count: number): string {
  const field = new Bitfield(count);
  for (const ordinal of ordinals) field.set(ordinal);
  return Buffer.from(field.toBytes()).toString("base64");
}

import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Single facts about a mirror. */
export interface IndexFacts {
  /** Number of the activated release. */
  readonly heldRelease: number;
  /** SHA-256 of its manifest index, hex. */
  readonly heldIndex: string;
  /** Number of the last release whose files were all counted as recorded and verified; forgotten with the first that is not. */
  readonly verifiedRelease: number;
  /** Number of the release on its way, and the hash of its manifest index. */
  readonly nextRelease: number;
  readonly nextIndex: string;
  /** Repository id. */
  readonly repository: string;
  /** Wall clock, milliseconds: when the last whole walk began, when central was last asked. */
  readonly lastWholeWalkMs: number;
  /** The same of the last whole walk after which DEST had nothing that the release lacks (--delete). */
  readonly lastCleanWalkMs: number;
  readonly lastPollMs: number;
  /** JSON: files and bytes that a partial mirror holds of a release. */
  readonly selectedTotals: string;
  /** JSON: how far back a quota reaches, of which release and selection. */
  readonly quotaCut: string;
  /** Which texts of merge files the last run went by; none without such rules. */
  readonly mergeFiles: string;
  /** JSON: how attributes of a release become those of this mirror, as the last run had it. */
  readonly attributeRules: string;
  /** Sketches that were left after the last sweep. */
  readonly sketchesSwept: number;
  /** How fast bytes came in the last download of some length, or in a shorter one that was faster. */
  readonly downloadBytesPerSecond: number;
  /** JSON: how far the scrub is that is under way. */
  readonly scrubRound: string;
  /** JSON: how fast this host compresses, by settings, and when that was measured. */
  readonly recompressionTrials: string;
}

/** Table `meta`. */
export class FactRecords {
  readonly #get: StatementSync;
  readonly #set: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare("SELECT value FROM meta WHERE key = ?");
    this.#set = database.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES (?, ?)");
    this.#remove = database.prepare("DELETE FROM meta WHERE key = ?");
  }

  get<Name extends keyof IndexFacts>(name: Name): IndexFacts[Name] | undefined {
    return this.#get.get(name)?.value as IndexFacts[Name] | undefined;
  }

  set<Name extends keyof IndexFacts>(name: Name, value: IndexFacts[Name]): void {
    this.#set.run(name, value);
  }

  forget(name: keyof IndexFacts): void {
    this.#remove.run(name);
  }
}

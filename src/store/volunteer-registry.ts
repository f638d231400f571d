import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isSystemError, messageOf } from "../core/errors.ts";
import { PASS_VALIDITY_MS } from "../trust/pass.ts";
import { volunteerIdOf } from "../trust/signing-key.ts";
import { StoreError } from "./errors.ts";
import { SequenceMarks } from "./sequence-marks.ts";
import {
  type RegisteredVolunteer,
  recordOf,
  type VolunteerRow,
  VOLUNTEERS_SCHEMA,
  VOLUNTEERS_SCHEMA_VERSION,
} from "./volunteer-rows.ts";

export interface Invitation {
  readonly name: string;
  /** 32 secret bytes for the ticket. */
  readonly token: Uint8Array;
  readonly site: string | undefined;
}

export const VOLUNTEERS_FILE = "volunteers.sqlite";
/** How long an opening or an end waits for the write of another program. */
const PATIENT_MS = 10_000;
/** For who reads to let go, when the file is first written ahead: there is another start. */
const SWITCH_MS = 1_000;
/** After a wait in vain nobody waits for so long: each wait stops all of this program, and a thousand volunteers would wait in turn. */
const BUSY_REMEMBERED_MS = 5_000;
const SQLITE_BUSY = 5;
/** A pass given just before a revocation ends by then; nobody needs to be told of the id any longer. */
const REVOCATION_TOLD_MS: number = PASS_VALIDITY_MS + 24 * 3_600_000;

/**
 * Who was invited and who came: names, tokens, bound keys, states, sequence marks. One SQLite file in the state directory,
 * 0600 (and its log beside it); `invite` and `serve` may use it at once. Tokens are stored as they are, because HMAC needs them.
 *
 * Invariants: a name has at most one key; an id that was revoked or replaced stays in the list of revoked ones until the
 * same key enrols again.
 */
export class VolunteerRegistry implements Disposable {
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #sequences: SequenceMarks;
  /** When each volunteer sent its last accepted request to this process, by id; on disk it stands to about ten minutes. */
  readonly #seenMs = new Map<string, number>();
  /** Writes fail at once until then, of {@link performance.now}. */
  #busyUntilMs = 0;
  /** Changes of states, keys and names made here; SQLite tells of those made by other processes. */
  #ownChanges = 0;

  private constructor(database: DatabaseSync, now: () => number) {
    this.#database = database;
    this.#now = now;
    this.#sequences = new SequenceMarks(database);
  }

  /**
   * @param now wall clock in milliseconds
   * @param busyMs how long a write waits for that of another program, once the file is open; all of this program waits with it
   * @throws StoreError `state-unsafe` if the file can't be opened, `index-too-new` if a newer program made it
   */
  static open(stateDirectory: string, now: () => number, busyMs: number = PATIENT_MS): VolunteerRegistry {
    const path = join(stateDirectory, VOLUNTEERS_FILE);
    createPrivately(path);
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: SWITCH_MS });
      writeAhead(database);
      database.exec(`PRAGMA busy_timeout = ${PATIENT_MS}; PRAGMA synchronous = FULL`);
      prepareSchema(database, path);
      database.exec(`PRAGMA busy_timeout = ${busyMs}`);
      return new VolunteerRegistry(database, now);
    } catch (error) {
      database?.close();
      if (error instanceof StoreError) throw error;
      throw new StoreError("state-unsafe", `registry "${path}" can't be opened: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * The token for a ticket. A name that nobody used yet keeps its token, so that a lost ticket can be printed again.
   *
   * @param options.again forget the key bound to the name and revoke its passes; needs a new ticket
   * @throws StoreError `already-enrolled` if a key is bound and `again` is not set
   */
  invite(name: string, options: { readonly again?: boolean; readonly site?: string } = {}): Invitation {
    return this.#atomically(() => {
      const known = this.byName(name);
      const isUsed = known !== undefined && known.state !== "invited";
      if (isUsed && options.again !== true) {
        throw new StoreError("already-enrolled", `expected a new name, got "${name}", which is ${known.state}`);
      }
      const token = known === undefined || options.again === true ? new Uint8Array(randomBytes(32)) : known.token;
      const site = options.site ?? known?.site;
      if (known?.id !== undefined) this.#noteRevoked(known.id);
      this.#database
        .prepare(
          `INSERT INTO volunteers (name, token, site, state, created_ms) VALUES (?, ?, ?, 'invited', ?)
           ON CONFLICT (name) DO UPDATE SET token = excluded.token, site = excluded.site, state = 'invited', id = NULL, public_key = NULL`,
        )
        .run(name, token, site ?? null, this.#now());
      return { name, token, site };
    });
  }

  byName(name: string): RegisteredVolunteer | undefined {
    return this.#find("SELECT * FROM volunteers WHERE name = ?", name);
  }

  /** @param id 40 hex digits */
  byId(id: string): RegisteredVolunteer | undefined {
    return this.#find("SELECT * FROM volunteers WHERE id = ?", id);
  }

  /** Another text after each change of names, keys and states, whoever made it; costs some microseconds. */
  get revision(): string {
    return `${this.#ownChanges} ${String(this.#database.prepare("PRAGMA data_version").get()!.data_version)}`;
  }

  /** In a log, so that nobody who reads waits for who writes: customers wait with each read (row T09). False if a program that only reads kept it from that. */
  get isWrittenAhead(): boolean {
    return this.#database.prepare("PRAGMA journal_mode").get()!.journal_mode === "wal";
  }

  /** In order of their names. */
  list(): readonly RegisteredVolunteer[] {
    const rows = this.#database.prepare("SELECT * FROM volunteers ORDER BY name").all();
    return rows.map((row) => this.#recordOf(row));
  }

  /**
   * Binds a key to an invited name; the caller checked the ticket.
   *
   * @throws StoreError `already-enrolled` if another name has this key, `registry-busy`
   */
  enrol(name: string, publicKey: Uint8Array): RegisteredVolunteer {
    const id = volunteerIdOf(publicKey);
    return this.#atomically(() => {
      const other = this.byId(id);
      if (other !== undefined && other.name !== name) {
        throw new StoreError("already-enrolled", `expected a key of its own, got the one of "${other.name}"`);
      }
      this.#database
        .prepare("UPDATE volunteers SET id = ?, public_key = ?, state = 'enrolled', enrolled_ms = ? WHERE name = ?")
        .run(id, publicKey, this.#now(), name);
      this.#database.prepare("DELETE FROM revoked WHERE id = ?").run(id);
      return this.byName(name)!;
    });
  }

  /** Shuts a volunteer out for good, until it is invited again. @throws StoreError `unknown-volunteer` */
  revoke(name: string): RegisteredVolunteer {
    return this.#atomically(() => {
      const known = this.#require(name);
      if (known.id !== undefined) this.#noteRevoked(known.id);
      return this.#setState(name, "revoked");
    });
  }

  /** No customers any more (or again), peers as before. @throws StoreError `unknown-volunteer` unless it is enrolled */
  drain(name: string, isDraining: boolean): RegisteredVolunteer {
    return this.#atomically(() => {
      const { state } = this.#require(name);
      if (state !== "enrolled" && state !== "draining") {
        throw new StoreError("unknown-volunteer", `expected an enrolled volunteer, got "${name}", which is ${state}`);
      }
      return this.#setState(name, isDraining ? "draining" : "enrolled");
    });
  }

  /** Ids whose passes may not have ended yet though they no longer count. */
  revokedIds(): readonly string[] {
    const rows = this.#database
      .prepare("SELECT id FROM revoked WHERE since_ms > ? ORDER BY since_ms")
      .all(this.#now() - REVOCATION_TOLD_MS);
    return rows.map((row) => String(row.id));
  }

  /** The highest sequence number that may have been seen from a volunteer; 0 if none. */
  highestSequence(id: string): number {
    return this.#sequences.highest(id);
  }

  /** Notes an accepted number: after a crash it is not accepted again. @throws StoreError `registry-busy` if it is not accepted */
  noteSequence(id: string, sequence: number): void {
    this.#seenMs.set(id, this.#now());
    // All requests wait for the disk meanwhile: once for everybody, so that after a start a thousand announces do not cost a thousand waits.
    if (this.#sequences.mustRaise(id, sequence)) this.#saveAhead(id, sequence);
    this.#sequences.note(id, sequence);
  }

  /** To be called every minute or so: then no request waits for a write but the first. True if something was written. */
  saveAheadIfDue(): boolean {
    if (!this.#sequences.isRaiseDue) return false;
    this.#saveAhead();
    return true;
  }

  /** @param id of a volunteer that goes on from `sequence`; others are expected to number by the clock */
  #saveAhead(id?: string, sequence = 0): void {
    const least = new Map(this.#enrolledIds().map((enrolled) => [enrolled, this.#now()]));
    if (id !== undefined) least.set(id, Math.max(sequence, least.get(id) ?? 0));
    const isDurable = this.#transaction(() => {
      this.#saveLastSeen();
      return this.#sequences.raise(least);
    });
    isDurable();
  }

  #enrolledIds(): readonly string[] {
    const rows = this.#database.prepare("SELECT id FROM volunteers WHERE id IS NOT NULL AND state <> 'revoked'").all();
    return rows.map((row) => String(row.id));
  }

  #saveLastSeen(): void {
    const statement = this.#database.prepare("UPDATE volunteers SET last_seen_ms = ? WHERE id = ?");
    for (const [id, seenMs] of this.#seenMs) statement.run(seenMs, id);
  }

  /** @throws StoreError `registry-busy`: each volunteer will be told once that its number is stale, and nothing is lost */
  [Symbol.dispose](): void {
    if (!this.#database.isOpen) return;
    try {
      this.#busyUntilMs = 0;
      this.#database.exec(`PRAGMA busy_timeout = ${PATIENT_MS}`);
      // Whoever only looked does not wait for a writer.
      if (this.#seenMs.size > 0) this.#saveExactly();
    } finally {
      this.#database.close();
    }
  }

  #saveExactly(): void {
    this.#transaction(() => {
      this.#sequences.saveExactly();
      this.#saveLastSeen();
    });
  }

  #find(query: string, key: string): RegisteredVolunteer | undefined {
    const row = this.#database.prepare(query).get(key);
    return row === undefined ? undefined : this.#recordOf(row);
  }

  #recordOf(row: object): RegisteredVolunteer {
    const record = recordOf(row as VolunteerRow);
    const seenMs = record.id === undefined ? undefined : this.#seenMs.get(record.id);
    return seenMs === undefined ? record : { ...record, lastSeenMs: seenMs };
  }

  #require(name: string): RegisteredVolunteer {
    const known = this.byName(name);
    if (known === undefined)
      throw new StoreError("unknown-volunteer", `expected the name of a volunteer, got "${name}"`);
    return known;
  }

  #setState(name: string, state: string): RegisteredVolunteer {
    this.#database.prepare("UPDATE volunteers SET state = ? WHERE name = ?").run(state, name);
    return this.byName(name)!;
  }

  #noteRevoked(id: string): void {
    this.#database
      .prepare(
        "INSERT INTO revoked (id, since_ms) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET since_ms = excluded.since_ms",
      )
      .run(id, this.#now());
  }

  #atomically<T>(change: () => T): T {
    const result = this.#transaction(change);
    this.#ownChanges++;
    return result;
  }

  /** @throws StoreError `registry-busy` */
  #transaction<T>(change: () => T): T {
    if (performance.now() < this.#busyUntilMs) throw busyError();
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      const result = change();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite itself rolls back where the disk fails.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (!isBusy(error)) throw error;
      this.#busyUntilMs = performance.now() + BUSY_REMEMBERED_MS;
      throw busyError(error);
    }
  }
}

function busyError(cause?: unknown): StoreError {
  const told = `expected ${VOLUNTEERS_FILE} to be free for a write, another program keeps it locked`;
  return new StoreError("registry-busy", told, { cause });
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;
}

/** Nothing but this is lost if the file is in use. */
function writeAhead(database: DatabaseSync): void {
  try {
    database.exec("PRAGMA journal_mode = WAL");
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

/** SQLite makes its journals with the mode of the database. */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return;
    throw new StoreError("state-unsafe", `registry "${path}" can't be made: ${messageOf(error)}`, { cause: error });
  }
}

function prepareSchema(database: DatabaseSync, path: string): void {
  // As it is after the first time: no write, which another program may keep from being done.
  if (versionOf(database) === VOLUNTEERS_SCHEMA_VERSION) return;
  database.exec("BEGIN IMMEDIATE");
  const version = versionOf(database);
  if (version > VOLUNTEERS_SCHEMA_VERSION) {
    const told = `registry "${path}": expected format ${VOLUNTEERS_SCHEMA_VERSION}, got ${version} of a newer program`;
    throw new StoreError("index-too-new", told);
  }
  if (version === 0) database.exec(`${VOLUNTEERS_SCHEMA}; PRAGMA user_version = ${VOLUNTEERS_SCHEMA_VERSION}`);
  database.exec("COMMIT");
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.user_version ?? 0);
}

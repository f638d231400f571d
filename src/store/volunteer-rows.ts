/** Version of the file's format, in SQLite's user_version. */
export const VOLUNTEERS_SCHEMA_VERSION = 1;

export const VOLUNTEERS_SCHEMA = `
CREATE TABLE volunteers (
  name TEXT PRIMARY KEY,
  token BLOB NOT NULL,
  site TEXT,
  state TEXT NOT NULL,
  id TEXT UNIQUE,
  public_key BLOB,
  created_ms INTEGER NOT NULL,
  enrolled_ms INTEGER,
  last_seen_ms INTEGER
) STRICT;
CREATE TABLE revoked (id TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) STRICT;
CREATE TABLE sequences (id TEXT PRIMARY KEY, upper_bound INTEGER NOT NULL) STRICT`;

/** `draining`: enrolled, but no customers are sent there. */
export type RegisteredState = "invited" | "enrolled" | "draining" | "revoked";

/** A volunteer as central's operator knows it. Times in milliseconds since 1970. */
export interface RegisteredVolunteer {
  readonly name: string;
  /** 32 secret bytes. */
  readonly token: Uint8Array;
  readonly site: string | undefined;
  readonly state: RegisteredState;
  /** 40 hex digits; undefined until a key is bound. */
  readonly id: string | undefined;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array | undefined;
  readonly createdMs: number;
  readonly enrolledMs: number | undefined;
  /** Last accepted request; to about ten minutes if another process had it and did not end in order. */
  readonly lastSeenMs: number | undefined;
}

/** A row of the table as SQLite gives it. */
export interface VolunteerRow {
  readonly name: string;
  readonly token: Uint8Array;
  readonly site: string | null;
  readonly state: string;
  readonly id: string | null;
  readonly public_key: Uint8Array | null;
  readonly created_ms: number;
  readonly enrolled_ms: number | null;
  readonly last_seen_ms: number | null;
}

export function recordOf(row: VolunteerRow): RegisteredVolunteer {
  return {
    name: row.name,
    token: row.token,
    site: row.site ?? undefined,
    state: row.state as RegisteredState,
    id: row.id ?? undefined,
    publicKey: row.public_key ?? undefined,
    createdMs: row.created_ms,
    enrolledMs: row.enrolled_ms ?? undefined,
    lastSeenMs: row.last_seen_ms ?? undefined,
  };
}
